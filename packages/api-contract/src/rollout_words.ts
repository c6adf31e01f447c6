// The core's unions as schemas. The assignment at the end fails to compile when the core gains or loses a word.
import type { CommandKind, GateName, PauseReason, RolloutState, TargetState } from '@ampora/rollout';
import { z } from 'zod';

export const rolloutState = z.enum([
	'PendingApproval',
	'Pending',
	'Queued',
	'InProgress',
	'Paused',
	'RollingBack',
	'Completed',
	'RolledBack',
	'Aborted',
	'Failed',
	'Superseded',
	'Cancelled',
	'Rejected',
]);
export const pauseReason = z.enum([
	'manual',
	'gate',
	'inconclusive',
	'deadline',
	'window',
	'freeze',
	'policy',
	'deferred',
	'control-plane',
	'barrier',
]);
export const targetState = z.enum([
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
]);
export const gateName = z.enum([
	'apply-failed-ratio',
	'apply-timeout-ratio',
	'disconnect-ratio',
	'effective-mismatch-ratio',
	'unhealthy-ratio',
]);
export const commandKind = z.enum([
	'start',
	'cancel',
	'pause',
	'resume',
	'advance',
	'extend',
	'abort',
	'supersede',
	'retry',
	'exclude',
	'edit-gates',
	'rollback',
]);

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
const _wordsMatchTheCore: [
	Same<z.infer<typeof rolloutState>, RolloutState>,
	Same<z.infer<typeof pauseReason>, PauseReason>,
	Same<z.infer<typeof targetState>, TargetState>,
	Same<z.infer<typeof gateName>, GateName>,
	Same<z.infer<typeof commandKind>, CommandKind>,
] = [true, true, true, true, true];
void _wordsMatchTheCore;
