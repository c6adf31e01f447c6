import { err, ok, type Result } from './result.js';

const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
type Unit = keyof typeof units;

const shape = /^(?:\d+(?:ms|[dhms]))+$/;
const part = /(\d+)(ms|[dhms])/g;
/** One year: longer waits are a mistake, and stay far from where arithmetic gets rough. */
export const durationMsMax = 366 * units.d;

/** `90s`, `5m`, `1h30m`, `7d`, `0` → ms. The error says how to write it. */
export function parseDuration(text: string): Result<number, string> {
	const compact = text.replaceAll(/\s+/g, '');
	if (compact === '0') return ok(0);
	if (!shape.test(compact)) return err(`"${text}" is no duration; write it like 90s, 5m, 1h30m or 7d`);
	let ms = 0;
	for (const [, amount, unit] of compact.matchAll(part)) ms += Number(amount) * units[unit as Unit];
	return ms <= durationMsMax ? ok(ms) : err(`"${text}" is longer than the 366d allowed`);
}

/** ms → the shortest text that `parseDuration` reads back: `1h30m`, `0s`. */
export function formatDuration(ms: number): string {
	let left = Math.max(0, Math.round(ms));
	if (left === 0) return '0s';
	let text = '';
	for (const [unit, size] of Object.entries(units)) {
		const amount = Math.floor(left / size);
		if (amount > 0) text += `${amount}${unit}`;
		left -= amount * size;
	}
	return text;
}
