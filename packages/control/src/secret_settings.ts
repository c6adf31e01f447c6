import {
	type Document,
	isAlias,
	isCollection,
	isMap,
	isPair,
	isScalar,
	LineCounter,
	type Node,
	parseAllDocuments,
} from 'yaml';

export const hiddenValue = '[REDACTED]';

/** Keys whose value is not for everybody who may look at an agent. Whatever stands below them is hidden with them. */
const secretKey =
	/(password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|key_pem|authorization|cookie|connection[_-]?string|^headers?$|^pass$)/i;
/** `${env:TOKEN}` says where the secret is, not what it is. */
const reference = /^\$\{[^}]*\}$/;
const userInfo = /:\/\/[^\s/@"']+@/g;

interface Span {
	readonly from: number;
	readonly to: number;
	readonly text: string;
}

/**
 * A configuration as it may be shown: the same text, with the values of settings that look secret and the credentials in addresses
 * replaced. What cannot be parsed is not shown at all: nobody knows what is in it.
 */
export function hideSecrets(yaml: string): string {
	const documents = parseAllDocuments(yaml, { lineCounter: new LineCounter(), uniqueKeys: false });
	if (!Array.isArray(documents) || documents.some(({ errors }) => errors.length > 0)) {
		return yaml.trim() === '' ? '' : `# ${hiddenValue}: this is no YAML, and could contain anything\n`;
	}
	const spans = new Map<number, Span>();
	for (const document of documents) collect(document.contents as Node | null, { secret: false, document, spans });
	let shown = yaml;
	for (const { from, to, text } of [...spans.values()].sort((a, b) => b.from - a.from)) {
		shown = shown.slice(0, from) + text + shown.slice(to);
	}
	return shown.replaceAll(userInfo, `://${hiddenValue}@`);
}

interface Walk {
	readonly secret: boolean;
	readonly document: Document;
	readonly spans: Map<number, Span>;
}

function collect(node: Node | null | undefined, walk: Walk): void {
	if (isAlias(node)) {
		// Under a secret key the text to hide stands where the anchor is.
		if (walk.secret) collect(node.resolve(walk.document), walk);
	} else if (isScalar(node)) {
		if (walk.secret) hide(node, walk.spans);
	} else if (isMap(node)) {
		for (const { key, value } of node.items) {
			const name = isScalar(key) ? String(key.value) : '';
			collect(value as Node | null, { ...walk, secret: walk.secret || secretKey.test(name) });
		}
	} else if (isCollection(node)) {
		for (const item of node.items) collect((isPair(item) ? item.value : item) as Node | null, walk);
	}
}

function hide(node: Extract<Node, { range?: unknown }>, spans: Map<number, Span>): void {
	if (!isScalar(node) || node.value === null || node.value === '') return;
	if (typeof node.value === 'string' && reference.test(node.value.trim())) return;
	if (!node.range) return;
	const [from, to] = node.range;
	// Block scalars end after their last line break.
	const text =
		node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED' ? `"${hiddenValue}"\n` : `"${hiddenValue}"`;
	spans.set(from, { from, to, text });
}
