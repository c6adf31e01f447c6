import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Harm } from './calibration/fleet.js';
import type { CalibrationRun } from './calibration/run.js';
import type { RunResult } from './world/run.js';

/** One run, and what it answers; both travel between processes. */
export interface Runs {
	readonly world: { readonly asked: { readonly seed: number }; readonly answer: RunResult };
	readonly calibration: {
		readonly asked: { readonly agents: number; readonly harm: Harm; readonly seed: number };
		readonly answer: CalibrationRun;
	};
}

/** A process on each core, for as long as the work lasts; runs wait for one that is free. */
export class Cores {
	readonly #processes = Array.from({ length: availableParallelism() }, () =>
		fork(new URL('worker.ts', import.meta.url)),
	);
	readonly #free = [...this.#processes];
	readonly #waiting: ((free: ChildProcess) => void)[] = [];

	/** Answers in the order they are asked for. */
	all<K extends keyof Runs>(kind: K, asked: readonly Runs[K]['asked'][]): Promise<Runs[K]['answer'][]> {
		return Promise.all(asked.map((one) => this.#run(kind, one)));
	}

	close(): void {
		for (const process of this.#processes) if (process.connected) process.disconnect();
	}

	async #run<K extends keyof Runs>(kind: K, asked: Runs[K]['asked']): Promise<Runs[K]['answer']> {
		const process = this.#free.pop() ?? (await new Promise<ChildProcess>((resolve) => this.#waiting.push(resolve)));
		const answer = await answerOf<Runs[K]['answer']>(process, { kind, asked });
		const next = this.#waiting.shift();
		if (next) next(process);
		else this.#free.push(process);
		return answer;
	}
}

function answerOf<T>(child: ChildProcess, question: object): Promise<T> {
	return new Promise((resolve, reject) => {
		const gone = (code: number | null) => reject(new Error(`a run ended its process with ${code}: see above`));
		child.once('exit', gone);
		child.once('message', (answer) => {
			child.off('exit', gone);
			resolve(answer as T);
		});
		child.send(question);
	});
}
