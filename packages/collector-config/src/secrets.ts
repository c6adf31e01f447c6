import type { ConfigMap, ConfigNode, ScalarValue } from './document.js';
import type { Path } from './findings.js';
import { Timestamp } from './timestamp.js';

const secretKey =
	/(passw(or)?d|passphrase|secret|token|credential|api[-_.]?key|access[-_.]?key|account[-_.]?key|private[-_.]?key|license[-_.]?key|shared[-_.]?key|(encryption|signing|auth|instrumentation|ingest(ion)?|integration|write)[-_.]?key|honeycomb-team|^pass$|pwd$|^community$|authorization|cookie|bearer|signature|sas[-_.]?(key|url)|connection[-_.]?string|(^|_)dsn$|(^|_)key_?pem$)/i;
/** They say where a secret is, or how it is got, and are none. */
const noSecret =
	/(file|path|url|uri|dir|ttl|timeout|interval|expiration|enabled|name|id|type|length|size|limit|header|field|from|ref|attribute|attributes|source|sources|context)s?$/i;
/** Secrets all the same: a signed URL is its own key. */
const secretAfterAll = /(secret[-_.]?(key|id)|token|sas[-_.]?url)$/i;

/** Does this key hold a secret by its name. `headers` are told apart by their own names. */
const isSecretKey = (key: string): boolean => secretKey.test(key) && (!noSecret.test(key) || secretAfterAll.test(key));

/** In `{name: Authorization, value: …}` and `{key: api_key, value: …}` it is the text beside that says what the value is. */
const valueKey = /^(default_)?values?$/;

const namesBeside = ({ entries }: ConfigMap): readonly string[] =>
	[entries.get('name'), entries.get('key')].flatMap((node) =>
		node?.kind === 'scalar' && typeof node.value === 'string' ? [node.value] : [],
	);

/** The names people give components and pipelines say nothing of secrets. */
const namesDepth = (path: Path): number => (path[0] === 'service' && path[1] === 'pipelines' ? 3 : 2);

/** Is what stands under this key of the map at `path` a secret, by the key or by a name beside it. */
export const holdsSecret = (map: ConfigMap, path: Path, key: string): boolean =>
	path.length >= namesDepth(path) && (isSecretKey(key) || (valueKey.test(key) && namesBeside(map).some(isSecretKey)));

/** Is a value at this path a secret: something on the way to it says so. */
export function isSecretAt(root: ConfigNode, path: Path): boolean {
	let node: ConfigNode | undefined = root;
	for (const [depth, step] of path.entries()) {
		if (node?.kind === 'map' && typeof step === 'string') {
			if (holdsSecret(node, path.slice(0, depth), step)) return true;
			node = node.entries.get(step);
		} else node = node?.kind === 'list' && typeof step === 'number' ? node.items[step] : undefined;
	}
	return false;
}

/** `${env:TOKEN}`, without a default, which would be the secret itself; the text of `${yaml:…}` is one too. */
const reference = /\$\{(?!yaml:)(?:(?!:-)[^${}])+(?::-)?\}/.source;
const scheme = /(?:(?:basic|bearer|token|key|api-?key|digest|splunk)\s+)?/.source;
const references = new RegExp(`^${scheme}${reference}(?:[:.\\s-]?${reference})*$`, 'i');

/** It says where the agent finds the secret, like `Bearer ${env:TOKEN}`, and has nothing of it. */
const isReference = (text: string): boolean => references.test(text.trim());

/** A URL's user and password; what holds an `@` or a `/` without being a port is still the password. */
const userInfo =
	/^([a-z][a-z0-9+.-]*:\/\/(?:\$\{[^{}]*\}|(?!\$\{)[^/\s:@])*:)(?!(?:\d*|\$\{[^{}]*\})(?:[/?#]|$))(\S+)@/i;
/** A URL's query, and what is made of nothing but `name=value`, like the data sources of databases; a backslash is of an expression. */
const withPairs = /^[a-z][a-z0-9+.-]*:\/\/[^\s?]*\?|^\s*[\w.-]+=[^\s;,&\\]*(?:[\s;,&]+[\w.-]+=[^\s;,&\\]*)*\s*$/i;
const pair = /(?<=^|[?&;,\s])([\w.-]+)=([^&;,\s]+)/g;

/** What stands for a secret that is left out. */
export type Hide = (secret: string) => string;

/** A text that is no secret itself, without the passwords in it. */
export function withoutPasswords(text: string, hide: Hide): string {
	const shown = text.replace(userInfo, (whole: string, before: string, password: string) =>
		isReference(password) ? whole : `${before}${hide(password)}@`,
	);
	if (!withPairs.test(text)) return shown;
	return shown.replaceAll(pair, (whole: string, name: string, value: string) =>
		isSecretKey(name) && !isReference(value) ? `${name}=${hide(value)}` : whole,
	);
}

export type SecretKind = 'whole' | 'within' | 'none';

/** Is this value, where a key says so or not, a secret, or does it have one within. */
export function secretKind(value: ScalarValue, secret: boolean): SecretKind {
	// An empty text is none, and a reference is worth seeing.
	if (value === null || value === '') return 'none';
	if (secret) return typeof value === 'string' && isReference(value) ? 'none' : 'whole';
	return typeof value === 'string' && withoutPasswords(value, () => '') !== value ? 'within' : 'none';
}

const hiddenText = '(hidden)';

/** JSON of a value as people may see it: what secret-bearing keys hold, and passwords in URLs, are hidden; whole numbers too long for JSON are text, as are moments. */
export type ShownValue =
	| null
	| boolean
	| number
	| string
	| readonly ShownValue[]
	| { readonly [key: string]: ShownValue };

/** `secret`: something on the way to the node says that it is one. */
export function shownValue(node: ConfigNode, path: Path, secret: boolean): ShownValue {
	if (node.kind === 'map') {
		const entries = [...node.entries].map(
			([key, value]) => [key, shownValue(value, [...path, key], secret || holdsSecret(node, path, key))] as const,
		);
		return Object.fromEntries(entries);
	}
	if (node.kind === 'list') return node.items.map((item, index) => shownValue(item, [...path, index], secret));
	return shownScalar(node.value, secret);
}

function shownScalar(value: ScalarValue, secret: boolean): ShownValue {
	if (secretKind(value, secret) === 'whole') return hiddenText;
	if (typeof value === 'string') return withoutPasswords(value, () => hiddenText);
	if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
	if (value instanceof Timestamp) return value.instant;
	return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
