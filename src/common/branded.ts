/** A type that only its own constructor function makes: `Brand<bigint, "Lsn">` cannot be mixed up with any other bigint. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };
