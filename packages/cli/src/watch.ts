import { type RolloutAnswer, StreamBroken } from '@ampora/api-contract';
import { CommandFailed, type ExitCode, exitCodes } from './exit_codes.js';
import { jsonLines, liveView } from './output/live.js';
import type { Session } from './session.js';

export const badEnds: readonly string[] = ['Failed', 'Aborted', 'Superseded', 'Cancelled', 'Rejected'];
const gateReasons = ['gate', 'inconclusive'];
/** How often a stream that broke off without news is opened again. */
const reopensMax = 5;

/** How the watched rollout ended; null: it goes on. A rollback that was asked for ends well as RolledBack. */
function verdict({ state, pauseReasons, rollbackOf }: RolloutAnswer): ExitCode | null {
	if (state === 'Completed') return exitCodes.ok;
	if (state === 'RolledBack') return rollbackOf === null ? exitCodes.rolloutBad : exitCodes.ok;
	if (badEnds.includes(state)) return exitCodes.rolloutBad;
	if (state === 'Paused' && pauseReasons.some((reason) => gateReasons.includes(reason))) return exitCodes.rolloutBad;
	return null;
}

/** Shows a rollout until it ends or a gate paused it; ends with 4 when that is not what one hopes for. */
export async function watchRollout(session: Session, id: string): Promise<void> {
	const view = session.json ? jsonLines(session.io.stdout) : liveView(session.io.stdout);
	let reopens = 0;
	while (!session.io.signal.aborted) {
		try {
			for await (const rollout of await session.watch(id)) {
				reopens = 0;
				view.show(rollout);
				const code = verdict(rollout);
				if (code === null) continue;
				view.end();
				if (code === exitCodes.ok) return;
				throw new CommandFailed(code, `${rollout.headline}${nextStep(rollout)}`);
			}
		} catch (error) {
			// A server that is restarted cuts streams; a command like this one outlives that.
			if (!isBroken(error) || session.io.signal.aborted) throw error;
		}
		reopens += 1;
		if (reopens > reopensMax)
			throw new CommandFailed(exitCodes.unreachable, 'the connection to the server keeps breaking off');
	}
}

const isBroken = (error: unknown): boolean =>
	error instanceof StreamBroken || (error instanceof TypeError && /terminated|network|fetch/i.test(error.message));

function nextStep({ id, state, evidence, commands }: RolloutAnswer): string {
	const fired = evidence.map(({ message }) => `\n  ${message}`).join('');
	if (state !== 'Paused') return fired;
	return `${fired}\n  Possible now: ampora rollouts ${commands.join('|')} ${id}`;
}
