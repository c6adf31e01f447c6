import type { AgentReport, AnswerFact } from '@ampora/store';

type Part =
	| 'capabilities'
	| 'description'
	| 'health'
	| 'remoteConfig'
	| 'effective'
	| 'effectiveMatch'
	| 'componentsHash'
	| 'disconnected';

/** An answer as it was heard; its age is computed when it is written. */
export interface HeardAnswer {
	readonly seq: number;
	readonly answer: AnswerFact['answer'];
	readonly error: string | null;
	/** Monotonic ms. */
	readonly heardAtMs: number;
}

/** What changed about one agent since it was last written: one value per kind, so that an outage costs no more memory than there are sessions. */
export type Unsaved = { -readonly [Name in Part]?: NonNullable<AgentReport[Name]> } & { answers?: HeardAnswer[] };

export type AnswerKind = 'none' | AnswerFact['answer'];

/** Answers only move up, so that merging them is commutative (R16). */
const ranks: Readonly<Record<AnswerKind, number>> = {
	none: 0,
	offered: 1,
	applying: 2,
	applied: 3,
	failed: 4,
	reverted: 4,
};

export const answerRank = (answer: AnswerKind): number => ranks[answer];

/** Keeps the higher answer per seq. There are never more than a few: assignments only change while the database can be read. */
export function raiseAnswer(unsaved: Unsaved, heard: HeardAnswer): void {
	const answers = unsaved.answers ?? [];
	unsaved.answers = answers;
	const at = answers.findIndex(({ seq }) => seq === heard.seq);
	const known = answers[at];
	if (known === undefined) answers.push(heard);
	else if (answerRank(heard.answer) > answerRank(known.answer)) answers[at] = heard;
}
