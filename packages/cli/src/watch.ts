import { type RolloutAnswer, StreamBroken } from '@ampora/api-contract';
import { CommandFailed, type ExitCode, exitCodes } from './exit_codes.js';
import { jsonLines, liveView } from './output/live.js';
import { tookNobodyBack } from './output/rollout_text.js';
import type { Session } from './session.js';

export const badEnds: readonly string[] = ['Failed', 'Aborted', 'Superseded', 'Cancelled', 'Rejected'];
const gateReasons = ['gate', 'inconclusive'];
/** How often a stream that broke off without news is opened again. */
const reopensMax = 5;

/** How the watched rollout ended; null: it goes on. A rollback that was asked for ends well as RolledBack, if anybody is back. */
function verdict(rollout: RolloutAnswer): ExitCode | null {
	const { state, pauseReasons, rollbackOf } = rollout;
	if (state === 'Completed') return exitCodes.ok;
	if (state === 'RolledBack')
		return rollbackOf === null || tookNobodyBack(rollout) ? exitCodes.rolloutBad : exitCodes.ok;
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
				throw new CommandFailed(code, `${rollout.headline}${await evidenceOf(session, rollout)}${nextStep(rollout)}`);
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

const agentsShown = 20;
/** In these an agent was handed the version. */
const handed = ['Applying', 'Applied', 'Failed', 'Reverted', 'TimedOut', 'Disconnected', 'RolledBack'];

/** What fired, with its counts, and which agents were handed the version, the first in its order. */
async function evidenceOf(session: Session, { id, evidence, started }: RolloutAnswer): Promise<string> {
	const fired = evidence.map(({ message }) => `\n  ${message}`).join('');
	if (evidence.length === 0 || started === 0) return fired;
	const { items } = await session.call('listRolloutTargets', { params: { rollout: id }, query: { limit: 500 } });
	const touched = items.filter(({ state }) => handed.includes(state));
	const names = touched.slice(0, agentsShown).map(({ hostname, agent, state }) => `${hostname ?? agent} (${state})`);
	const more = started > names.length ? ` and ${started - names.length} more` : '';
	return `${fired}\n  Handed to ${started} agents: ${names.join(', ')}${more}`;
}

function nextStep({ id, state, commands }: RolloutAnswer): string {
	return state === 'Paused' ? `\n  Possible now: ampora rollouts ${commands.join('|')} ${id}` : '';
}
