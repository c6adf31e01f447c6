/** An expected outcome. Exceptions are left for bugs and for infrastructure that is away. */
export interface Ok<T> {
	readonly ok: true;
	readonly value: T;
}
export interface Err<E> {
	readonly ok: false;
	readonly error: E;
}
export type Result<T, E> = Ok<T> | Err<E>;

export const ok = <T>(value: T): Ok<T> => ({ ok: true, value });
export const err = <E>(error: E): Err<E> => ({ ok: false, error });
