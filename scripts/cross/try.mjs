export async function tryBinaries() {}
