// Versions of agents, compared as semantic versions: https://semver.org, items 9 to 11. People write `v0.110` too: a leading v is
// dropped, and what is missing behind is 0. Build metadata does not count.

export interface Version {
	readonly core: readonly [bigint, bigint, bigint];
	readonly pre: readonly (string | bigint)[];
}

const shape =
	/^v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:-([0-9A-Za-z-]{1,64}(?:\.[0-9A-Za-z-]{1,64}){0,15}))?(?:\+[0-9A-Za-z.-]{1,200})?$/;

/** Null: this is no version. */
export function parseVersion(text: string): Version | null {
	const found = shape.exec(text);
	if (found === null) return null;
	const [, major = '0', minor = '0', patch = '0', pre] = found;
	const parts = pre?.split('.').map((part) => (/^\d+$/.test(part) ? BigInt(part) : part)) ?? [];
	return { core: [BigInt(major), BigInt(minor), BigInt(patch)], pre: parts };
}

const order = <T extends bigint | string | number>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

function comparePart(a: string | bigint | undefined, b: string | bigint | undefined): number {
	if (a === undefined || b === undefined) return order(a === undefined ? 0 : 1, b === undefined ? 0 : 1);
	if (typeof a === 'bigint' && typeof b === 'bigint') return order(a, b);
	if (typeof a === 'string' && typeof b === 'string') return order(a, b);
	return typeof a === 'bigint' ? -1 : 1;
}

/** Negative: a is the older one. A release comes after its pre-releases. */
export function compareVersions(a: Version, b: Version): number {
	for (const [at, part] of a.core.entries()) {
		const found = order(part, b.core[at] ?? 0n);
		if (found !== 0) return found;
	}
	if (a.pre.length === 0 || b.pre.length === 0) return order(b.pre.length, a.pre.length);
	for (let at = 0; at < Math.max(a.pre.length, b.pre.length); at += 1) {
		const found = comparePart(a.pre[at], b.pre[at]);
		if (found !== 0) return found;
	}
	return 0;
}
