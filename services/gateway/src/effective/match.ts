import type { ConfigFile } from '@ampora/store';

/** Is the assigned configuration in the effective one, by meaning. `detail`: where it is not, for people; never values. */
export interface Verdict {
	readonly verdict: 'match' | 'mismatch';
	readonly detail: string | null;
}

export interface MatchQuestion {
	/** Of the assigned version: it is parsed once. */
	readonly versionId: string;
	readonly assigned: readonly ConfigFile[];
	readonly effective: readonly ConfigFile[];
}

export interface WorkerQuestion extends MatchQuestion {
	readonly id: number;
}

export interface WorkerAnswer {
	readonly id: number;
	/** Null: the two cannot be compared. */
	readonly verdict: Verdict | null;
}
