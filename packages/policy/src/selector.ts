// Selectors: CEL over one agent. No clock, no chance, no I/O: the same agent always gets the same verdict.
import { type CelInput, CelScalar, celEnv, celFunc, isCelError, parse, plan } from '@bufbuild/cel';
import type { AgentFacts, Field } from './agent_facts.js';
import { compareVersions, parseVersion, type Version } from './agent_version.js';
import { Examination, Fault, needBoolean, versionComparison, versionComparisons } from './examine.js';

/** Why a text is no selector: what, where, and what to do. */
export interface SelectorFault {
	readonly message: string;
	/** From 1, in characters. */
	readonly line: number;
	readonly column: number;
	readonly action: string;
}

/** `error`: it could not be decided; whoever asks leaves the agent where it is. */
export type Verdict =
	| { readonly kind: 'match' }
	| { readonly kind: 'no-match' }
	| { readonly kind: 'error'; readonly message: string };

export interface Selector {
	readonly source: string;
	/** A change of anything else cannot change a verdict. */
	readonly reads: ReadonlySet<Field>;
	evaluate(agent: AgentFacts): Verdict;
}

/** Hostile text must not stall whoever compiles it: the parser is only given what is short and flat. */
export const selectorLimits = { charactersMax: 2_000, bracketsMax: 20, messageMax: 300 };

const holds: Readonly<Record<string, (order: number) => boolean>> = {
	'_==_': (order) => order === 0,
	'_!=_': (order) => order !== 0,
	'_<_': (order) => order < 0,
	'_<=_': (order) => order <= 0,
	'_>_': (order) => order > 0,
	'_>=_': (order) => order >= 0,
};

function versionOf(text: string): Version {
	const version = parseVersion(text);
	if (version === null) throw new Error(`"${text.slice(0, 100)}" is no version`);
	return version;
}

const env = celEnv({
	funcs: versionComparisons.map((comparison) =>
		celFunc(
			versionComparison(comparison),
			[CelScalar.STRING, CelScalar.STRING],
			CelScalar.BOOL,
			(a, b) => holds[comparison]?.(compareVersions(versionOf(a), versionOf(b))) ?? false,
		),
	),
});

function placeOf(source: string, offset: number): { line: number; column: number } {
	const before = source.slice(0, offset).split('\n');
	return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

const faultAt = (source: string, offset: number, message: string, action: string): SelectorFault => ({
	message,
	...placeOf(source, offset),
	action,
});

/** Text in quotes, so that brackets in it do not count. */
const quoted = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;

/** What is refused before the parser sees it: its time grows fast with nesting. */
function tooMuch(source: string): SelectorFault | null {
	const { charactersMax, bracketsMax } = selectorLimits;
	if (source.trim() === '')
		return faultAt(source, 0, 'a selector says something', 'Write one like agent.attributes["env"] == "prod".');
	if (source.length > charactersMax)
		return faultAt(source, charactersMax, `a selector has at most ${charactersMax} characters`, 'Write a shorter one.');
	const bare = source.replaceAll(quoted, (text) => '_'.repeat(text.length));
	const chain = /([!-]\s*){5,}/.exec(bare);
	if (chain) return faultAt(source, chain.index, 'too many signs in a row', 'Leave out what cancels itself.');
	let [open, ternaries] = [0, 0];
	for (const [at, sign] of [...bare].entries()) {
		if ('([{'.includes(sign)) open += 1;
		if (')]}'.includes(sign)) open -= 1;
		if (sign === '?') ternaries += 1;
		if (open > bracketsMax || ternaries > bracketsMax)
			return faultAt(source, at, `brackets and ?: go at most ${bracketsMax} deep`, 'Write a flatter selector.');
	}
	return null;
}

interface SyntaxProblem {
	readonly rawMessage: string;
	readonly location: { readonly start: { readonly offset: number } };
}
const isSyntaxProblem = (error: unknown): error is SyntaxProblem =>
	error instanceof Error && 'rawMessage' in error && 'location' in error;

const syntaxAction = (message: string): string =>
	message.startsWith('found = ')
		? 'Two equals signs compare: agent.type == "otelcol".'
		: 'Correct the expression there.';

/** Compiles once; `evaluate` may then be called for any number of agents. */
export function compileSelector(source: string): { ok: true; value: Selector } | { ok: false; error: SelectorFault } {
	const refused = tooMuch(source);
	if (refused) return { ok: false, error: refused };
	let parsed: ReturnType<typeof parse>;
	try {
		parsed = parse(source);
	} catch (error) {
		const [message, offset] = isSyntaxProblem(error)
			? [error.rawMessage, error.location.start.offset]
			: ['this cannot be read as an expression', 0];
		return {
			ok: false,
			error: faultAt(source, offset, message.slice(0, selectorLimits.messageMax), syntaxAction(message)),
		};
	}
	const examination = new Examination();
	try {
		examination.examine(parsed.expr);
		needBoolean(parsed.expr);
		const run = plan(env, parsed) as (variables: Record<string, CelInput>) => unknown;
		const { reads } = examination;
		return {
			ok: true,
			value: { source, reads, evaluate: (agent) => verdictOf(() => run({ agent: shown(agent, reads) })) },
		};
	} catch (error) {
		const offset = error instanceof Fault ? (parsed.sourceInfo?.positions[String(error.exprId)] ?? 0) : 0;
		const message = error instanceof Error ? error.message : String(error);
		const action = error instanceof Fault ? error.action : 'Correct the expression.';
		return { ok: false, error: faultAt(source, offset, message, action) };
	}
}

const failed = (message: string): Verdict => ({ kind: 'error', message: message.slice(0, selectorLimits.messageMax) });

function verdictOf(run: () => unknown): Verdict {
	try {
		const result = run();
		if (result === true) return { kind: 'match' };
		if (result === false) return { kind: 'no-match' };
		return isCelError(result) ? failed(result.message) : failed('it answers something else than true or false');
	} catch (error) {
		return failed(error instanceof Error ? error.message : String(error));
	}
}

/** Only what the selector says it reads: a read that was overlooked shows as an error, never as a verdict that nobody renews. */
function shown(agent: AgentFacts, reads: ReadonlySet<Field>): CelInput {
	const attributes = new Map<string, CelInput>();
	if (reads.has('attributes')) {
		for (const [name, value] of Object.entries(agent.attributes)) attributes.set(name, celOf(value));
	} else {
		for (const read of reads) {
			if (!read.startsWith('attribute:')) continue;
			const name = read.slice('attribute:'.length);
			if (Object.hasOwn(agent.attributes, name)) attributes.set(name, celOf(agent.attributes[name]));
		}
	}
	const view = new Map<string, CelInput>([['attributes', attributes]]);
	for (const name of ['type', 'version', 'capabilities', 'components'] as const) {
		const value = agent[name];
		if (reads.has(name) && value !== null) view.set(name, celOf(value));
	}
	return view;
}

function celOf(value: unknown): CelInput {
	if (Array.isArray(value)) return value.map(celOf);
	if (value !== null && typeof value === 'object')
		return new Map(Object.entries(value).map(([name, inner]) => [name, celOf(inner)]));
	return value as CelInput;
}
