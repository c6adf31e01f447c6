import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

/**
 * The query as it answers nothing older than `withinMs`. A Prometheus takes a series' last sample for up to five minutes and gives it
 * the time it was asked for, so that its age cannot be seen in the answer: `x` becomes `(x and last_over_time(x[60s]))`. Ranges say
 * themselves how far they look back. What is no PromQL is left as it is, for the server to refuse, or to understand.
 */
export function freshOnly(query: string, withinMs: number): string {
	const selectors: SyntaxNode[] = [];
	let understood = true;
	parser.parse(query).iterate({
		enter(node) {
			if (node.type.isError) understood = false;
			if (node.name === 'VectorSelector' && isInstant(node.node)) selectors.push(node.node);
		},
	});
	if (!understood) return query;
	const range = `[${Math.ceil(withinMs / 1_000)}s]`;
	let fresh = '';
	let end = 0;
	for (const selector of selectors) {
		const modified = withModifiers(selector);
		const [name, modifiers] = [query.slice(selector.from, selector.to), query.slice(selector.to, modified.to)];
		fresh += `${query.slice(end, selector.from)}(${name}${modifiers} and last_over_time(${name}${range}${modifiers}))`;
		end = modified.to;
	}
	return fresh + query.slice(end);
}

/** `timestamp` tells the time of a sample of its own, of selectors only. */
function isInstant(selector: SyntaxNode): boolean {
	const around = withModifiers(selector).parent;
	if (selector.parent?.name === 'MatrixSelector') return false;
	return (
		around?.name !== 'FunctionCallBody' || around.parent?.getChild('FunctionIdentifier')?.getChild('Timestamp') == null
	);
}

/** `offset` and `@` belong to the selector before them. */
function withModifiers(selector: SyntaxNode): SyntaxNode {
	let node = selector;
	while (node.parent?.name === 'OffsetExpr' || node.parent?.name === 'StepInvariantExpr') node = node.parent;
	return node;
}
