import type { RolloutId } from '@ampora/runtime';
import type { ControlDeps } from './ports.js';

/** After the commit: makes the engine look now and not at its next tick. It may be lost (D5). */
export async function hint({ backplane, onHintLost }: ControlDeps, rollout: RolloutId): Promise<void> {
	try {
		await backplane.publishHint({ rolloutIds: [rollout] });
	} catch (error) {
		onHintLost?.(error);
	}
}
