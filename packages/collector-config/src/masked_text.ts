// The text of a file as people may see it.
import { type ConfigNode, type ConfigScalar, defaultLimits } from './document.js';
import type { Path } from './findings.js';
import { parseFile, type Spans } from './parse_file.js';
import { type Hide, holdsSecret, type SecretKind, secretKind, withoutPasswords } from './secrets.js';

/**
 * The text with what `hide` gives in place of every secret: those that edits do not show either, and all that stands behind the first
 * document, which nothing is known of. The lines stay as many: of a value over several lines, each is hidden. The same text where it
 * cannot be read.
 */
export function maskedText(body: string, hide: Hide): string {
	const spans: Spans = { values: new Map(), unread: null };
	const { root } = parseFile({ name: '', body }, defaultLimits, spans);
	const secrets = new Map<ConfigScalar, SecretKind>();
	if (root !== undefined) collect(root, [], false, secrets);
	const end = spans.unread ?? body.length;
	const rest = body.slice(end);
	let text = '';
	let from = 0;
	for (const [start, until, node] of inOrder(spans, secrets)) {
		text += body.slice(from, start) + masked(body.slice(start, until), node, secrets.get(node) === 'whole', hide);
		from = until;
	}
	return text + body.slice(from, end) + (rest === '' ? '' : everyLine(rest, hide));
}

/** An alias may stand where a secret is expected, and its anchor where none is. */
function collect(node: ConfigNode, path: Path, secret: boolean, into: Map<ConfigScalar, SecretKind>): void {
	if (node.kind === 'map') {
		for (const [key, value] of node.entries)
			collect(value, [...path, key], secret || holdsSecret(node, path, key), into);
	} else if (node.kind === 'list') {
		node.items.forEach((item, index) => {
			collect(item, [...path, index], secret, into);
		});
	} else {
		const kind = secretKind(node.value, secret);
		if (kind !== 'none' && into.get(node) !== 'whole') into.set(node, kind);
	}
}

const inOrder = ({ values }: Spans, secrets: ReadonlyMap<ConfigScalar, SecretKind>) =>
	[...secrets.keys()]
		.flatMap((node) => {
			const span = values.get(node);
			return span === undefined ? [] : [[...span, node] as const];
		})
		.toSorted(([a], [b]) => a - b);

const quoted = /^(["']?)(.*)\1$/s;

/** A password in a URL goes alone, as long as the text says it as it is. */
function masked(raw: string, { value }: ConfigScalar, whole: boolean, hide: Hide): string {
	const [, quote = '', inner = ''] = quoted.exec(raw) ?? [];
	if (!whole && inner === value) return `${quote}${withoutPasswords(inner, hide)}${quote}`;
	return raw.includes('\n') ? everyLine(raw, () => hide(String(value))) : hide(String(value));
}

const everyLine = (text: string, hide: Hide): string => text.replaceAll(/[^\s](?:.*[^\s])?/g, (line) => hide(line));
