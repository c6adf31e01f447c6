import type { ScalarValue } from './document.js';
import { Timestamp, timestampOf } from './timestamp.js';

const nulls = new Set(['', '~', 'null', 'Null', 'NULL']);
const booleans = new Map([
	...['true', 'True', 'TRUE'].map((text) => [text, true] as const),
	...['false', 'False', 'FALSE'].map((text) => [text, false] as const),
]);
const infinities = /^([-+]?)\.(inf|Inf|INF)$/;
const nan = /^\.(nan|NaN|NAN)$/;
const floats = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const integers = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)$/;

/**
 * Types an unquoted scalar as the collector's reader (go yaml v3, into untyped values) does: YAML 1.2 core, plus `_` between
 * digits, `0b…` and octal with a bare leading zero. `yes`, `no`, `on`, `off` are text there: 1.1 booleans exist only for typed targets,
 * and the collector has none at that point. Dates are moments, not text.
 */
export function resolvePlain(text: string): ScalarValue {
	if (nulls.has(text)) return null;
	const boolean = booleans.get(text);
	if (boolean !== undefined) return boolean;
	const infinity = infinities.exec(text);
	if (infinity) return infinity[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
	if (nan.test(text)) return Number.NaN;
	if (!/^[-+.0-9]/.test(text)) return text;
	const moment = timestampOf(text);
	if (moment !== undefined) return moment;
	const plain = text.replaceAll('_', '');
	const integer = integers.exec(plain);
	if (integer) return wholeNumber(integer[1] ?? '', integer[2] ?? '');
	return floats.test(plain) ? Number(plain) : text;
}

function wholeNumber(sign: string, digits: string): bigint {
	const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
	return sign === '-' ? -magnitude : magnitude;
}

const durationUnitsNs: Record<string, number> = {
	ns: 1,
	us: 1e3,
	µs: 1e3,
	μs: 1e3,
	ms: 1e6,
	s: 1e9,
	m: 60e9,
	h: 3600e9,
};
const durations = /^[-+]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/;

/** `1m30s` → 90e9; undefined when the text is no Go duration with a unit. */
function durationNs(text: string): number | undefined {
	if (text.length > 64 || !durations.test(text)) return undefined;
	let total = 0;
	for (const [, amount, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
		total += Number(amount) * (durationUnitsNs[unit ?? ''] ?? Number.NaN);
	return Math.round(text.startsWith('-') ? -total : total);
}

const oneWord = /^[A-Za-z_]+$/;

function sameText(assigned: string, effective: string): boolean {
	if (assigned === effective) return true;
	// The collector turns `$$` into `$`.
	if (assigned.includes('$$') && assigned.replaceAll('$$', '$') === effective) return true;
	const duration = durationNs(assigned);
	if (duration !== undefined) return duration === durationNs(effective);
	// Enumerations are read in any case and printed in one: `verbosity: detailed` is reported as `Detailed`.
	return oneWord.test(assigned) && oneWord.test(effective) && assigned.toLowerCase() === effective.toLowerCase();
}

const isNumber = (value: ScalarValue): value is number | bigint =>
	typeof value === 'number' || typeof value === 'bigint';

/**
 * The same setting, though printed by another program: numbers by amount (`1`, `1.0`), durations by length (`60s`, `1m0s`, and a bare
 * number of nanoseconds), one-word names in any case. Text and numbers are otherwise different: `"10"` is not `10`.
 */
export function sameScalar(assigned: ScalarValue, effective: ScalarValue): boolean {
	if (typeof assigned === 'string' && typeof effective === 'string') return sameText(assigned, effective);
	if (isNumber(assigned) && isNumber(effective))
		return typeof assigned === typeof effective
			? Object.is(assigned, effective) || assigned === effective
			: Number(assigned) === Number(effective);
	if (isNumber(assigned) && typeof effective === 'string') return Number(assigned) === durationNs(effective);
	if (typeof assigned === 'string' && isNumber(effective)) return durationNs(assigned) === Number(effective);
	if (assigned instanceof Timestamp) return assigned.instant === instantOf(effective);
	return assigned === effective;
}

const instantOf = (value: ScalarValue): string | undefined =>
	value instanceof Timestamp ? value.instant : typeof value === 'string' ? timestampOf(value)?.instant : undefined;

/** What a Go program leaves out when it prints its settings: false, zero, no text, no time. */
export function isZero(value: ScalarValue): boolean {
	if (isNumber(value)) return Number(value) === 0;
	return value === false || value === '' || (typeof value === 'string' && durationNs(value) === 0);
}

/** Holds `${…}`: the agent fills it in, so what it becomes is not ours to know. */
export const isExpanded = (value: ScalarValue): boolean => typeof value === 'string' && value.includes('${');

const redactions = [/\[redacted\]/i, /<redacted>/i, /^\(?redacted\)?$/i, /^\*{3,}$/, /^[xX]{3,}$/, /:(x{3,}|\*{3,})@/];

/** Hidden by the agent: `[REDACTED]`, `<redacted>`, `*****`, `xxxxx`, `https://user:xxxxx@host`. */
export const isRedacted = (value: ScalarValue): boolean =>
	typeof value === 'string' && redactions.some((form) => form.test(value));
