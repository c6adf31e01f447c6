import {
	type AnswerOf,
	type CallInput,
	type Client,
	type OperationId,
	type RolloutAnswer,
	type RolloutEventAnswer,
	type RolloutRequest,
	type RolloutTargetAnswer,
	StreamBroken,
} from '@ampora/api-contract';
import { systemClock } from '@ampora/runtime';

/** The steps of a test's story, over REST as any user takes them. What the server refuses is an error here. */
export class Campaign {
	constructor(readonly client: Client) {}

	async call<Op extends OperationId>(operation: Op, input?: CallInput<Op>): Promise<AnswerOf<Op>> {
		const result = await this.client.call(operation, input);
		if (result.ok) return result.value;
		const { error } = result;
		throw new Error(
			`${operation}: ${error.kind === 'refused' ? `${error.status} ${JSON.stringify(error.body)}` : error.message}`,
		);
	}

	/** A new group of these agents, by instance uid. */
	async group(name: string, agents: readonly string[]): Promise<void> {
		await this.call('createGroup', { body: { name } });
		await this.call('addGroupAgents', { params: { group: name }, body: { agents: [...agents] } });
	}

	/** Publishes a version of the configuration, which is created if need be; answers what a rollout takes as its version. */
	async publish(configuration: string, yaml: string): Promise<string> {
		const known = await this.client.call('getConfiguration', { params: { configuration } });
		if (!known.ok) await this.call('createConfiguration', { body: { name: configuration } });
		const draft = await this.call('createVersion', { params: { configuration }, body: { yaml } });
		await this.call('publishVersion', { params: { configuration, number: draft.number } });
		return draft.ref;
	}

	async start(request: RolloutRequest): Promise<string> {
		return (await this.call('createRollout', { body: request })).id;
	}

	/** Everybody at once, whatever they ran before, with next to no waiting: how a test gives agents the version they start from. */
	async baseline(group: string, version: string, withinMs = 60_000): Promise<void> {
		const id = await this.start({
			group,
			version,
			strategy: { kind: 'canary', steps: [{ size: '100 %', dwell: '100ms' }] },
			maxInFlight: 'unlimited',
			gates: shortWindows('100ms'),
			bake: '0s',
			acceptNoWayBack: true,
		});
		await this.until(id, ({ state }) => state === 'Completed', withinMs);
	}

	get(rollout: string): Promise<RolloutAnswer> {
		return this.call('getRollout', { params: { rollout } });
	}

	/** The rollout as soon as it is as wanted; rejects when it ended otherwise or was not so in time. */
	async until(rollout: string, wanted: (rollout: RolloutAnswer) => boolean, withinMs = 60_000): Promise<RolloutAnswer> {
		const deadline = performance.now() + withinMs;
		let last: RolloutAnswer | undefined;
		while (performance.now() < deadline) {
			const found = await Promise.race([
				this.#watch(rollout, wanted, (seen) => {
					last = seen;
				}),
				systemClock.sleep(deadline - performance.now()),
			]);
			if (found) return found;
			if (last?.endedAt) break;
		}
		throw new Error(`the rollout is not as wanted within ${withinMs} ms: ${describe(last)}`);
	}

	async targets(rollout: string): Promise<readonly RolloutTargetAnswer[]> {
		const targets: RolloutTargetAnswer[] = [];
		let cursor: string | undefined;
		do {
			const page = await this.call('listRolloutTargets', {
				params: { rollout },
				query: { limit: 500, ...(cursor !== undefined && { cursor }) },
			});
			targets.push(...page.items);
			cursor = page.nextCursor ?? undefined;
		} while (cursor !== undefined);
		return targets;
	}

	/** Every event, oldest first. */
	async events(rollout: string): Promise<RolloutEventAnswer[]> {
		const events: RolloutEventAnswer[] = [];
		for (let after: number | null = 0; after !== null; ) {
			const page: AnswerOf<'listRolloutEvents'> = await this.call('listRolloutEvents', {
				params: { rollout },
				query: { limit: 500, after },
			});
			events.push(...page.items);
			after = page.nextCursor === null ? null : Number(page.nextCursor);
		}
		return events;
	}

	/** The same in words: what a failed test shows. */
	async story(rollout: string): Promise<string> {
		const events = await this.events(rollout);
		return events.map(({ at, kind, text }) => `${at} ${kind}: ${text}`).join('\n');
	}

	async #watch(
		rollout: string,
		wanted: (rollout: RolloutAnswer) => boolean,
		onSeen: (rollout: RolloutAnswer) => void,
	): Promise<RolloutAnswer | undefined> {
		const stream = await this.client.watch(rollout);
		if (!stream.ok) throw new Error(JSON.stringify(stream.error));
		try {
			for await (const seen of stream.value) {
				onSeen(seen);
				if (wanted(seen)) return seen;
			}
		} catch (error) {
			if (!(error instanceof StreamBroken)) throw error;
		}
		return undefined;
	}
}

/** Every gate's window. The apply timeout is not one that passes by itself: it stays long. */
export function shortWindows(window: string, applyTimeout = '60s'): NonNullable<RolloutRequest['gates']> {
	return {
		'apply-timeout-ratio': { window: applyTimeout },
		'disconnect-ratio': { window },
		'effective-mismatch-ratio': { window },
		'unhealthy-ratio': { window },
	};
}

function describe(rollout: RolloutAnswer | undefined): string {
	if (!rollout) return 'never seen';
	const { state, pauseReasons, headline, states, step, holding, waitsFor, evidence } = rollout;
	const counts = Object.fromEntries(Object.entries(states).filter(([, count]) => count > 0));
	return JSON.stringify({ state, pauseReasons, headline, step, counts, holding, waitsFor, evidence });
}
