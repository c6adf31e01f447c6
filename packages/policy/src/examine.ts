// Looks through a parsed expression before it is run: is everything in it known and within limits, and what does it read.
import type { parse } from '@bufbuild/cel';
import type { Field } from './agent_facts.js';
import { parseVersion } from './agent_version.js';

export type Expr = ReturnType<typeof parse>['expr'];
type Call = Extract<Expr['exprKind'], { case: 'callExpr' }>['value'];
type Comprehension = Extract<Expr['exprKind'], { case: 'comprehensionExpr' }>['value'];

/** What is wrong, at which sub-expression. */
export class Fault extends Error {
	constructor(
		readonly exprId: bigint,
		message: string,
		readonly action: string,
	) {
		super(message);
	}
}

const examineLimits = { nodesMax: 600, depthMax: 40, patternMax: 100 };

const fields = ['attributes', 'type', 'version', 'capabilities', 'components'] as const;
type Name = (typeof fields)[number];
const fieldList = fields.map((field) => `agent.${field}`).join(', ');

const operators = new Set(
	...[['_&&_', '_||_', '!_', '_?_:_', '_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_', '@in', '_[_]', '-_']],
);
const arithmetic = new Set(['_+_', '_-_', '_*_', '_/_', '_%_', '@not_strictly_false']);
/** Function → how many arguments, its target counted. */
const functions: ReadonlyMap<string, number> = new Map([
	...[['startsWith', 2] as const, ['endsWith', 2] as const, ['contains', 2] as const, ['matches', 2] as const],
	...[['size', 1] as const, ['int', 1] as const, ['double', 1] as const, ['string', 1] as const],
	...[['bool', 1] as const, ['semver', 1] as const],
]);
const functionList = [...functions.keys()].join(', ');

const comparisons = new Set(['_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_']);
/** The comparison of two versions that `comparison` becomes; no text of an expression can name it. */
export const versionComparison = (comparison: string): string => `@version${comparison}`;
export const versionComparisons = [...comparisons];

const stringOf = (expr: Expr | undefined): string | null =>
	expr?.exprKind.case === 'constExpr' && expr.exprKind.value.constantKind.case === 'stringValue'
		? expr.exprKind.value.constantKind.value
		: null;

const isCall = (expr: Expr | undefined, name: string): boolean =>
	expr?.exprKind.case === 'callExpr' && expr.exprKind.value.function === name;

/** `agent.type` is `type`; null: it is something else. */
function fieldOf(expr: Expr | undefined): Name | null {
	if (expr?.exprKind.case !== 'selectExpr') return null;
	const { operand, field, testOnly } = expr.exprKind.value;
	if (testOnly || operand?.exprKind.case !== 'identExpr' || operand.exprKind.value.name !== 'agent') return null;
	return fields.find((name) => name === field) ?? null;
}

const numbersAndText = new Set([...['_+_', '_-_', '_*_', '_/_', '_%_', '-_'], ...['size', 'int', 'double', 'string']]);

/** A part that can never be true or false where the expression needs that; null: none. What an attribute holds, nobody knows. */
function neverBoolean(expr: Expr | undefined): Expr | null {
	if (expr === undefined) return null;
	const { exprKind } = expr;
	if (exprKind.case === 'constExpr') return exprKind.value.constantKind.case === 'boolValue' ? null : expr;
	if (exprKind.case === 'selectExpr') return fieldOf(expr) === null ? null : expr;
	if (exprKind.case === 'listExpr') return expr;
	if (exprKind.case !== 'callExpr') return null;
	const { function: name, args } = exprKind.value;
	if (numbersAndText.has(name)) return expr;
	if (!['_&&_', '_||_', '!_', '_?_:_'].includes(name)) return null;
	return args.map(neverBoolean).find((part) => part !== null) ?? null;
}

/** Throws a `Fault` of what answers something else than true or false, whoever the agent is. */
export function needBoolean(expr: Expr): void {
	const part = neverBoolean(expr);
	if (part === null) return;
	throw new Fault(part.id, 'this is never true or false', 'Compare it with something, like agent.type == "otelcol".');
}

/** Goes through the whole expression, collects what it reads, and turns comparisons of versions into comparisons of versions. */
export class Examination {
	readonly reads = new Set<Field>();
	#nodes = 0;

	/** Throws a `Fault`. */
	examine(expr: Expr, scope: ReadonlySet<string> = new Set(), depth = 0): void {
		this.#nodes += 1;
		if (this.#nodes > examineLimits.nodesMax || depth > examineLimits.depthMax)
			throw new Fault(expr.id, 'this is too much for one selector', 'Write a shorter one, or use two groups.');
		const below = (next: Expr | undefined) => {
			if (next !== undefined) this.examine(next, scope, depth + 1);
		};
		const { exprKind } = expr;
		switch (exprKind.case) {
			case 'constExpr':
				return;
			case 'identExpr':
				this.#name(expr, exprKind.value.name, scope);
				return;
			case 'selectExpr':
				if (!this.#read(expr, scope)) below(exprKind.value.operand);
				return;
			case 'listExpr':
				for (const element of exprKind.value.elements) below(element);
				return;
			case 'callExpr':
				this.#call(expr, exprKind.value, below);
				return;
			case 'comprehensionExpr':
				this.#comprehension(expr, exprKind.value, scope, depth);
				return;
			default:
				throw new Fault(expr.id, 'maps and messages cannot be made here', 'Compare single values.');
		}
	}

	#name(expr: Expr, name: string, scope: ReadonlySet<string>): void {
		if (scope.has(name)) return;
		if (name === 'agent')
			throw new Fault(expr.id, 'agent alone is no value', `Name what is to be looked at: ${fieldList}.`);
		throw new Fault(expr.id, `there is no "${name}" here`, `A selector reads ${fieldList}; text stands in quotes.`);
	}

	/** True: this reads the agent, and all of it is known. */
	#read(expr: Expr, scope: ReadonlySet<string>): boolean {
		if (expr.exprKind.case !== 'selectExpr') return false;
		const { operand, field, testOnly } = expr.exprKind.value;
		const inside = fieldOf(operand);
		if (inside === 'attributes') {
			this.reads.add(`attribute:${field}`);
			return true;
		}
		const whole = fieldOf(expr);
		if (whole !== null) {
			this.reads.add(whole);
			return true;
		}
		if (operand?.exprKind.case !== 'identExpr' || operand.exprKind.value.name !== 'agent' || scope.has('agent'))
			return false;
		const known = fields.find((name) => name === field);
		if (known === undefined)
			throw new Fault(
				expr.id,
				`an agent has no "${field}"`,
				`There are ${fieldList}; what it says of itself is in agent.attributes.`,
			);
		if (testOnly) this.reads.add(known);
		return testOnly;
	}

	#call(expr: Expr, call: Call, below: (expr: Expr | undefined) => void): void {
		const { function: name, target, args } = call;
		this.#known(expr, call);
		if (comparisons.has(name) && args.some((side) => fieldOf(side) === 'version' || isCall(side, 'semver'))) {
			call.function = versionComparison(name);
			call.args = args.map((side) => this.#versionSide(side));
		} else if (name === 'semver') {
			throw new Fault(expr.id, 'semver(…) stands beside a comparison', 'Write agent.version >= semver("0.110.0").');
		}
		const [first, second] = args;
		// One attribute by a name that stands there: only that one is read.
		const [key, map] = name === '@in' ? [first, second] : [second, first];
		const literal = stringOf(key);
		if ((name === '@in' || name === '_[_]') && literal !== null && fieldOf(map) === 'attributes') {
			this.reads.add(`attribute:${literal}`);
			return;
		}
		if (name === 'matches') this.#pattern(expr, target ? first : second);
		below(target);
		for (const argument of call.args) below(argument);
	}

	#known(expr: Expr, { function: name, target, args }: Call): void {
		if (operators.has(name) || arithmetic.has(name)) return;
		const wanted = functions.get(name);
		if (wanted === undefined)
			throw new Fault(
				expr.id,
				`there is no function ${name}`,
				`There are ${functionList}, has, all, exists, exists_one, filter and map.`,
			);
		if (args.length + (target ? 1 : 0) !== wanted)
			throw new Fault(expr.id, `${name} takes ${wanted === 1 ? 'one value' : 'two values'}`, `Give it ${wanted}.`);
	}

	#versionSide(side: Expr): Expr {
		const inner =
			side.exprKind.case === 'callExpr' && side.exprKind.value.function === 'semver'
				? (side.exprKind.value.args[0] ?? side)
				: side;
		const text = stringOf(inner);
		if (text !== null && parseVersion(text) === null)
			throw new Fault(inner.id, `"${text}" is no version`, 'Write one like "0.110.0".');
		return inner;
	}

	/** The engine behind it takes time in proportion to pattern and text; counted repetition is what makes patterns large. */
	#pattern(expr: Expr, pattern: Expr | undefined): void {
		const text = stringOf(pattern);
		const { patternMax } = examineLimits;
		if (text !== null && text.length <= patternMax && !text.includes('{')) return;
		const action = `Write the pattern as text in quotes, at most ${patternMax} characters, without {…}.`;
		throw new Fault(expr.id, 'this pattern cannot be used', action);
	}

	#comprehension(expr: Expr, fold: Comprehension, scope: ReadonlySet<string>, depth: number): void {
		if (scope.size > 0)
			throw new Fault(expr.id, 'a loop within a loop', 'Use one of all, exists, exists_one, filter and map at a time.');
		if (fold.iterVar === 'agent') throw new Fault(expr.id, '"agent" is taken', 'Give the variable another name.');
		if (fold.iterRange) this.examine(fold.iterRange, scope, depth + 1);
		const inside = new Set([fold.iterVar, fold.accuVar]);
		for (const part of [fold.accuInit, fold.loopCondition, fold.loopStep, fold.result])
			if (part) this.examine(part, inside, depth + 1);
	}
}
