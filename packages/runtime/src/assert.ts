/** A broken assertion is a bug in Ampora, never bad input: it is thrown, logged and not caught to be ignored. */
export type Assert = (condition: unknown, message: string) => asserts condition;

export const assert: Assert = (condition, message) => {
	if (!condition) throw new Error(`assertion failed: ${message}`);
};

/** For the end of an exhaustive switch: a new member of the union fails to compile here. */
export function unreachable(value: never, what: string): never {
	throw new Error(`unreachable ${what}: ${JSON.stringify(value)}`);
}
