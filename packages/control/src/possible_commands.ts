import { type CommandKind, legalCommands, legality, type Rollout } from '@ampora/rollout';

/** What may be asked of it, those that make a new rollout included. */
export const possibleCommands = (rollout: Rollout): readonly CommandKind[] => [
	// A rollout is superseded by making another one.
	...legalCommands(rollout).filter((kind) => kind !== 'supersede'),
	...(['rollback', 'retry'] as const).filter((kind) => legality(rollout, kind) === 'new-rollout'),
];
