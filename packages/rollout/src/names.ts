import type { GateName, PauseReason, TargetState } from './model.js';

/** Every gate, in the order they are shown and judged. */
export const gateNames = [
	'apply-failed-ratio',
	'apply-timeout-ratio',
	'disconnect-ratio',
	'effective-mismatch-ratio',
	'unhealthy-ratio',
] as const satisfies readonly GateName[];

export const targetStates = [
	'Pending',
	'Applying',
	'Applied',
	'Failed',
	'Reverted',
	'TimedOut',
	'Disconnected',
	'Deferred',
	'Skipped',
	'AlreadyApplied',
	'RolledBack',
] as const satisfies readonly TargetState[];

/** States in which the agent was handed the version: what a rollback takes back. */
export const touchedStates = [
	'Applying',
	'Applied',
	'Failed',
	'Reverted',
	'TimedOut',
	'Disconnected',
] as const satisfies readonly TargetState[];

/** Reasons a person may lift; the others lift by themselves. */
export const liftableReasons: readonly PauseReason[] = [
	'manual',
	'gate',
	'inconclusive',
	'deadline',
	'policy',
	'deferred',
];

export const byGate = <T>(make: (gate: GateName) => T): Record<GateName, T> => ({
	'apply-failed-ratio': make('apply-failed-ratio'),
	'apply-timeout-ratio': make('apply-timeout-ratio'),
	'disconnect-ratio': make('disconnect-ratio'),
	'effective-mismatch-ratio': make('effective-mismatch-ratio'),
	'unhealthy-ratio': make('unhealthy-ratio'),
});

export const byState = <T>(make: (state: TargetState) => T): Record<TargetState, T> => ({
	Pending: make('Pending'),
	Applying: make('Applying'),
	Applied: make('Applied'),
	Failed: make('Failed'),
	Reverted: make('Reverted'),
	TimedOut: make('TimedOut'),
	Disconnected: make('Disconnected'),
	Deferred: make('Deferred'),
	Skipped: make('Skipped'),
	AlreadyApplied: make('AlreadyApplied'),
	RolledBack: make('RolledBack'),
});
