/**
 * Types of the parameters in a pattern, as find-my-way reads it.
 *
 *   /notes/:id          id
 *   /files/*            the rest of the path, under the name '*'
 *   /notes/:id?         id, or undefined without the last segment
 *   /:from-:to          two in one segment; `.` separates them as well
 *   /:id(^\\d+)         id, if it matches the expression
 *   /a/?                the same as /a; /a/ is redirected there
 */

/** Characters that end the name of a parameter. */
type EndOfName = '/' | '-' | '.' | '(' | ')' | ':' | '?' | '*'

/** The name at the beginning of a text, and what follows. */
type TakeName<Text extends string, Name extends string = ''> = Text extends `${infer First}${infer Rest}`
  ? First extends EndOfName
    ? [Name, Text]
    : TakeName<Rest, `${Name}${First}`>
  : [Name, '']

/** The rest behind an expression in parentheses, which may nest one level. */
type SkipExpression<Text extends string> = Text extends `(${infer Expression})${infer Rest}`
  ? Expression extends `${string}(${string}`
    ? Rest extends `${string})${infer Behind}`
      ? Behind
      : Rest
    : Rest
  : Text

type FromName<Taken extends [string, string]> = SkipExpression<Taken[1]> extends `?${infer Rest}`
  ? { readonly [Name in Taken[0]]?: string } & FromPattern<Rest>
  : { readonly [Name in Taken[0]]: string } & FromPattern<SkipExpression<Taken[1]>>

type FromPattern<Pattern extends string> = Pattern extends `${infer Before}:${infer Rest}`
  ? FromWildcard<Before> & (Rest extends `:${infer Escaped}` ? FromPattern<Escaped> : FromName<TakeName<Rest>>)
  : FromWildcard<Pattern>

type FromWildcard<Text extends string> = Text extends `${string}*` ? { readonly '*': string } : unknown

/** One type of the parts of an intersection, as editors show it. */
type Joined<Type> = { readonly [Name in keyof Type]: Type[Name] }

/**
 * The parameters of a pattern.
 *
 * @example const parameters: PathParameters<'/notes/:id'> = { id: '5' }
 */
export type PathParameters<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string | undefined>>
  : Joined<FromPattern<Pattern>>
