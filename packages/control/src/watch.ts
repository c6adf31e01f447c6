import type { InputOf, RolloutAnswer } from '@ampora/api-contract';
import { hasEnded } from '@ampora/rollout';
import { ok, type Result } from '@ampora/runtime';
import type { ControlError } from './errors.js';
import type { ControlDeps } from './ports.js';
import { showRollout } from './rollout_view.js';

/** A rollout whose decisions rest is shown again this often: its clocks move although nothing happens. */
const refreshMs = 5_000;
const defaultIntervalMs = 500;

/** Level-triggered: looks at the row on its own clock, so that no lost message can leave a watcher behind. */
export async function watchRollout(
	deps: ControlDeps,
	{ rollout }: InputOf<'watchRollout'>,
	signal: AbortSignal,
): Promise<Result<AsyncIterable<RolloutAnswer>, ControlError>> {
	const first = await showRollout(deps.store, rollout);
	return first.ok ? ok(changes(deps, first.value, signal)) : first;
}

async function* changes(deps: ControlDeps, first: RolloutAnswer, signal: AbortSignal): AsyncGenerator<RolloutAnswer> {
	const { store, clock, watchIntervalMs = defaultIntervalMs } = deps;
	let shown = first;
	let shownAtMs = clock.monotonicMs();
	yield shown;
	while (!signal.aborted && !hasEnded(shown.state)) {
		await clock.sleep(watchIntervalMs, signal);
		if (signal.aborted) return;
		const row = await store.rollouts.find(shown.id);
		if (row === null) return;
		const changed = row.rollout.seq !== shown.seq || row.rollout.state !== shown.state;
		if (!changed && clock.monotonicMs() - shownAtMs < refreshMs) continue;
		const next = await showRollout(store, shown.id);
		if (!next.ok) return;
		shown = next.value;
		shownAtMs = clock.monotonicMs();
		yield shown;
	}
}
