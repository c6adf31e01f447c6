import type { ConfigNode, ScalarValue } from './document.js';
import type { Path } from './findings.js';

const secretKey =
	/(passw(or)?d|passphrase|secret|token|credential|api[-_.]?key|access[-_.]?key|account[-_.]?key|private[-_.]?key|license[-_.]?key|shared[-_.]?key|(encryption|signing|auth|instrumentation|ingest(ion)?|integration|write)[-_.]?key|honeycomb-team|^pass$|pwd$|^community$|authorization|cookie|bearer|signature|sas[-_.]?(key|url)|connection[-_.]?string|(^|_)dsn$|(^|_)key_?pem$)/i;
/** They say where a secret is, or how it is got, and are none. */
const noSecret =
	/(file|path|url|uri|dir|ttl|timeout|interval|expiration|enabled|name|id|type|length|size|limit|header|field|from|ref|attribute|attributes|source|sources|context)s?$/i;

/** Does this key hold a secret by its name. `headers` are told apart by their own names. */
const isSecretKey = (key: string): boolean =>
	secretKey.test(key) && (!noSecret.test(key) || /secret_?key|token$/i.test(key));

/** Is a value at this path a secret: some key on the way to it says so. The names people give components and pipelines do not. */
export const isSecretPath = (path: Path): boolean =>
	path.slice(path[0] === 'service' ? 4 : 2).some((key) => typeof key === 'string' && isSecretKey(key));

const userInfo = /^([a-z][a-z0-9+.-]*:\/\/[^/\s:@]+:)([^@/\s]+)@/i;

/** A URL with a password in it. */
export const hasUserInfo = (value: ScalarValue): boolean => typeof value === 'string' && userInfo.test(value);

const hiddenText = '(hidden)';

/** JSON of a value as people may see it: what secret-bearing keys hold, and passwords in URLs, are hidden; whole numbers too long for JSON are text. */
export type ShownValue =
	| null
	| boolean
	| number
	| string
	| readonly ShownValue[]
	| { readonly [key: string]: ShownValue };

export function shownValue(node: ConfigNode, path: Path): ShownValue {
	if (node.kind === 'map')
		return Object.fromEntries([...node.entries].map(([key, value]) => [key, shownValue(value, [...path, key])]));
	if (node.kind === 'list') return node.items.map((item, index) => shownValue(item, [...path, index]));
	return shownScalar(node.value, path);
}

function shownScalar(value: ScalarValue, path: Path): ShownValue {
	if (value === null) return null;
	// A reference to a secret is none, and worth seeing.
	if (isSecretPath(path) && !isReference(value)) return hiddenText;
	if (typeof value === 'string') return value.replace(userInfo, `$1${hiddenText}@`);
	if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
	return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** `${env:TOKEN}` and nothing else but what stands around such references, like `Bearer ${env:TOKEN}`. */
export const isReference = (value: ScalarValue): boolean =>
	typeof value === 'string' && /\$\{[^}]+\}/.test(value) && value.replaceAll(/\$\{[^}]+\}/g, '').trim().length <= 8;
