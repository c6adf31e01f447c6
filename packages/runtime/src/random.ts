/** Where chance comes from. `next` is uniform in [0, 1). */
export interface Random {
	next(): number;
	/** A whole number in [0, bound). */
	below(bound: number): number;
}

const fromNext = (next: () => number): Random => ({ next, below: (bound) => Math.floor(next() * bound) });

export const systemRandom: Random = fromNext(Math.random);

/** Repeatable: the same seed gives the same sequence on every machine (splitmix32). Not for secrets. */
export function seededRandom(seed: number): Random {
	let state = seed | 0;
	return fromNext(() => {
		state = (state + 0x9e3779b9) | 0;
		let z = state ^ (state >>> 16);
		z = Math.imul(z, 0x21f0aaad);
		z ^= z >>> 15;
		z = Math.imul(z, 0x735a2d97);
		z ^= z >>> 15;
		return (z >>> 0) / 4294967296;
	});
}
