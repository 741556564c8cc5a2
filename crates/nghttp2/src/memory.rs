//! Memory for nghttp2: small blocks are kept for reuse, by their size, on each thread.
//!
//! A stream takes a handful of blocks of a few hundred bytes, and a turn opens and ends many streams at once, more than
//! the C library keeps at hand.
//!
//! ```text
//!   block:  header (16 bytes): its size, then what nghttp2 sees
//!   free:   header, then the address of the next free block of this size
//! ```
//! Blocks come from Rust's allocator. One that is freed on another thread than its first is kept by that other thread.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use crate::ffi;

/// Bytes ahead of what nghttp2 sees, which is aligned as C's malloc aligns it.
const HEADER_BYTES: usize = 16;
/// Sizes of the blocks that are kept, their headers included: 64 bytes, and each twice the one before.
const SIZES: usize = 5;
const LEAST_BYTES: usize = 64;
/// Blocks of each size that a thread keeps: at most 254 KB in all.
const KEPT: u32 = 128;

/// The free blocks of one size: null, or the first of them.
struct Free {
    first: Cell<*mut u8>,
    count: Cell<u32>,
}

/// The free blocks of a thread.
struct Kept([Free; SIZES]);

impl Drop for Kept {
    fn drop(&mut self) {
        for (at, free) in self.0.iter().enumerate() {
            // SAFETY: what is in the list was put there by `give`, with this size.
            while let Some(block) = unsafe { free.take() } {
                // SAFETY: the same.
                unsafe { dealloc(block, layout(size_of_list(at))) };
            }
        }
    }
}

thread_local! {
    static KEPT_BLOCKS: Kept = const { Kept([const { Free { first: Cell::new(ptr::null_mut()), count: Cell::new(0) } }; SIZES]) };
}

impl Free {
    /// # Safety
    /// The list has nothing but blocks that `give` has put there.
    unsafe fn take(&self) -> Option<*mut u8> {
        let block = self.first.get();
        if block.is_null() {
            return None;
        }
        // SAFETY: a free block has the address of the next one behind its header, where it is aligned.
        self.first.set(unsafe { block.add(HEADER_BYTES).cast::<*mut u8>().read() });
        self.count.set(self.count.get() - 1);
        Some(block)
    }

    /// Keeps a block; false when there are enough.
    ///
    /// # Safety
    /// `block` has the size of this list and is in use no more.
    unsafe fn give(&self, block: *mut u8) -> bool {
        if self.count.get() == KEPT {
            return false;
        }
        // SAFETY: the smallest block has room for an address behind its header.
        unsafe { block.add(HEADER_BYTES).cast::<*mut u8>().write(self.first.get()) };
        self.first.set(block);
        self.count.set(self.count.get() + 1);
        true
    }
}

fn size_of_list(at: usize) -> usize {
    LEAST_BYTES << at
}

/// The list for blocks of this size; None for one that isn't kept.
fn list_of(size: usize) -> Option<usize> {
    let at = size.max(LEAST_BYTES).next_power_of_two().trailing_zeros() - LEAST_BYTES.trailing_zeros();
    let at = at as usize;
    (at < SIZES && size_of_list(at) == size).then_some(at)
}

/// The size of the block for so many bytes of nghttp2's; None when there is no such block.
fn size_for(bytes: usize) -> Option<usize> {
    let size = bytes.checked_add(HEADER_BYTES)?;
    if size <= size_of_list(SIZES - 1) {
        return Some(size.max(LEAST_BYTES).next_power_of_two());
    }
    Layout::from_size_align(size, HEADER_BYTES).ok().map(|layout| layout.size())
}

fn layout(size: usize) -> Layout {
    // Every size was one of `size_for`, which has checked it.
    Layout::from_size_align(size, HEADER_BYTES).unwrap_or(Layout::new::<[u128; LEAST_BYTES / 16]>())
}

/// The size of a block, and its beginning.
///
/// # Safety
/// `memory` came from `take` and is in use.
unsafe fn block_of(memory: *mut c_void) -> (*mut u8, usize) {
    // SAFETY: the caller's promise; the header lies ahead of what was given out.
    unsafe {
        let block = memory.cast::<u8>().sub(HEADER_BYTES);
        (block, block.cast::<usize>().read())
    }
}

unsafe extern "C" fn take(bytes: usize, _user_data: *mut c_void) -> *mut c_void {
    let Some(size) = size_for(bytes) else { return ptr::null_mut() };
    let kept = list_of(size).and_then(|at| {
        // SAFETY: `give` alone fills the lists.
        KEPT_BLOCKS.try_with(|kept| unsafe { kept.0[at].take() }).ok().flatten()
    });
    // SAFETY: the size isn't 0.
    let block = kept.unwrap_or_else(|| unsafe { alloc(layout(size)) });
    if block.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the block has room for its header, and is aligned for it.
    unsafe {
        block.cast::<usize>().write(size);
        block.add(HEADER_BYTES).cast()
    }
}

unsafe extern "C" fn take_zeroed(count: usize, bytes: usize, user_data: *mut c_void) -> *mut c_void {
    let Some(bytes) = count.checked_mul(bytes) else { return ptr::null_mut() };
    // SAFETY: as for `take`; what it gives has room for so many bytes.
    unsafe {
        let memory = take(bytes, user_data);
        if !memory.is_null() {
            memory.cast::<u8>().write_bytes(0, bytes);
        }
        memory
    }
}

unsafe extern "C" fn give(memory: *mut c_void, _user_data: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: nghttp2 gives back what it was given, once.
    let (block, size) = unsafe { block_of(memory) };
    let is_kept = list_of(size).is_some_and(|at| {
        // SAFETY: the block has the size of this list, and nghttp2 uses it no more.
        KEPT_BLOCKS.try_with(|kept| unsafe { kept.0[at].give(block) }).unwrap_or(false)
    });
    if !is_kept {
        // SAFETY: it was allocated with this size, and isn't kept.
        unsafe { dealloc(block, layout(size)) };
    }
}

unsafe extern "C" fn resize(memory: *mut c_void, bytes: usize, user_data: *mut c_void) -> *mut c_void {
    if memory.is_null() {
        // SAFETY: as for `take`.
        return unsafe { take(bytes, user_data) };
    }
    // SAFETY: nghttp2 resizes what it was given and hasn't given back.
    let (block, size) = unsafe { block_of(memory) };
    let Some(wanted) = size_for(bytes) else { return ptr::null_mut() };
    if wanted == size {
        return memory;
    }
    // SAFETY: the block was allocated with `size`. What isn't kept can grow in place. Otherwise the smaller of both
    // has that many bytes behind its header.
    unsafe {
        if list_of(size).is_none() && list_of(wanted).is_none() {
            let block = realloc(block, layout(size), wanted);
            if block.is_null() {
                return ptr::null_mut();
            }
            block.cast::<usize>().write(wanted);
            return block.add(HEADER_BYTES).cast();
        }
        let other = take(bytes, user_data);
        if !other.is_null() {
            let count = size.min(wanted) - HEADER_BYTES;
            ptr::copy_nonoverlapping(memory.cast::<u8>(), other.cast::<u8>(), count);
            give(memory, user_data);
        }
        other
    }
}

/// The functions, as nghttp2 takes them.
pub(crate) fn functions() -> ffi::nghttp2_mem {
    ffi::nghttp2_mem {
        mem_user_data: ptr::null_mut(),
        malloc: Some(take),
        free: Some(give),
        calloc: Some(take_zeroed),
        realloc: Some(resize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes memory of many sizes, fills it, resizes it and gives it back, in another order.
    fn use_memory() {
        let none = ptr::null_mut();
        let sizes = [0, 1, 47, 48, 49, 112, 113, 500, 1008, 1009, 5_000, 70_000];
        for other in [0, 1, 48, 100, 1008, 1009, 9_000, 100_000] {
            let taken: Vec<(*mut u8, usize)> =
                // SAFETY: what is taken is used within its bytes and given back once.
                sizes.iter().map(|&size| (unsafe { take(size, none) }.cast(), size)).collect();
            for (at, &(memory, size)) in taken.iter().enumerate() {
                assert_eq!(memory as usize % HEADER_BYTES, 0);
                // SAFETY: as above.
                unsafe { memory.write_bytes(at as u8, size) };
            }
            for (at, &(memory, size)) in taken.iter().enumerate().rev() {
                // SAFETY: as above.
                unsafe {
                    let memory: *mut u8 = resize(memory.cast(), other, none).cast();
                    let same = std::slice::from_raw_parts(memory, size.min(other));
                    assert!(same.iter().all(|&byte| byte == at as u8), "{size} to {other}");
                    give(memory.cast(), none);
                }
            }
        }
    }

    #[test]
    fn memory_holds_what_was_put_there_on_each_thread() {
        use_memory();
        std::thread::spawn(use_memory).join().unwrap();
    }

    #[test]
    fn blocks_are_used_again_up_to_a_bound() {
        std::thread::spawn(|| {
            let none = ptr::null_mut();
            // SAFETY: as above.
            let taken: Vec<_> = (0..2 * KEPT).map(|_| unsafe { take(100, none) }).collect();
            for &memory in &taken {
                // SAFETY: as above.
                unsafe { give(memory, none) };
            }
            KEPT_BLOCKS.with(|kept| assert_eq!(kept.0[1].count.get(), KEPT));
            // SAFETY: as above.
            unsafe {
                let again = take(60, none);
                assert!(taken.contains(&again));
                give(again, none);
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn zeroed_memory_has_zeros_and_too_much_is_refused() {
        let none = ptr::null_mut();
        // SAFETY: as above; null is nothing that could be given back.
        unsafe {
            let dirty = take(100, none);
            dirty.cast::<u8>().write_bytes(7, 100);
            give(dirty, none);
            let clean = take_zeroed(10, 10, none);
            assert!(std::slice::from_raw_parts(clean.cast::<u8>(), 100).iter().all(|&byte| byte == 0));
            give(clean, none);
            assert!(take_zeroed(usize::MAX, 2, none).is_null());
            assert!(take(usize::MAX - 8, none).is_null());
            give(ptr::null_mut(), none);
        }
    }
}
