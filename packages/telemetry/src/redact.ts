const hidden = '[REDACTED]';
const depthMax = 6;
const entriesMax = 100;
const textMax = 4096;

/** Names under which secrets and configurations travel. */
const secretName =
	/^(.*(token|secret|password|passwd|credential|authorization|cookie|private_?key|api_?key|pem)s?|pass|headers?|body|bodies|yaml|config|config_?map|(effective|remote)_?config|files)$/i;

const secretsInText: readonly (readonly [RegExp, string])[] = [
	[/\b(bearer|basic)\s+[\w.~+/=-]{12,}/gi, `$1 ${hidden}`],
	[/:\/\/[^\s/@]+@/g, `://${hidden}@`],
	[/\b(token|secret|password|authorization|api[_-]?key)(["']?\s*[=:]\s*)["']?[^\s"',;&}]{6,}/gi, `$1$2${hidden}`],
	[/-----BEGIN [A-Z ]+-----[\s\S]*?(-----END [A-Z ]+-----|$)/g, hidden],
];

/** Takes credentials out of free text, such as the message of an error, and bounds its length. */
export function redactText(text: string): string {
	const bounded = text.length > textMax ? `${text.slice(0, textMax)}… (${text.length} characters)` : text;
	return secretsInText.reduce((cleaned, [pattern, replacement]) => cleaned.replace(pattern, replacement), bounded);
}

/** A copy fit for a log: no tokens, headers or configuration bodies, no bytes, bounded in depth and size, always JSON. */
export function redactValue(value: unknown, depth = 0): unknown {
	if (typeof value === 'string') return redactText(value);
	if (typeof value === 'bigint') return value.toString();
	if (typeof value === 'function' || typeof value === 'symbol') return undefined;
	if (typeof value !== 'object' || value === null) return value;
	if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`;
	if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
	if (value instanceof Error) return redactError(value, depth);
	if (depth >= depthMax) return '[…]';
	if (Array.isArray(value) || value instanceof Set) return redactList([...value], depth);
	return redactEntries(value instanceof Map ? [...value] : Object.entries(value), depth);
}

function redactList(items: unknown[], depth: number): unknown[] {
	const kept = items.slice(0, entriesMax).map((item) => redactValue(item, depth + 1));
	return items.length > entriesMax ? [...kept, `… ${items.length - entriesMax} more`] : kept;
}

/** `actor` is `token:<its name>`: a name is no secret, and it is what a reader looks for. */
const names: ReadonlySet<string> = new Set(['actor']);

function redactEntries(entries: [unknown, unknown][], depth: number): Record<string, unknown> {
	const copy: Record<string, unknown> = {};
	for (const [key, value] of entries.slice(0, entriesMax)) {
		const name = String(key);
		if (names.has(name)) copy[name] = value;
		else copy[name] = secretName.test(name) && hides(value) ? hidden : redactValue(value, depth + 1);
	}
	return copy;
}

/** Counts and flags tell no secret: `tokens: 3` stays. */
const hides = (value: unknown): boolean =>
	value !== null && !['undefined', 'number', 'bigint', 'boolean'].includes(typeof value);

/** Own properties of errors are not copied, but for `code`: database drivers put rows and parameters there. */
function redactError(error: Error, depth: number): Record<string, unknown> {
	const { name, message, stack, cause } = error;
	return {
		name,
		message: redactText(message),
		...('code' in error && { code: redactValue(error.code, depth + 1) }),
		...(stack !== undefined && { stack: redactText(stack) }),
		...(cause !== undefined && depth < depthMax && { cause: redactValue(cause, depth + 1) }),
	};
}
