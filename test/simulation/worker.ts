// One of the processes of `Cores`: runs what it is asked to, until nobody asks any more.
import { calibrationRun } from './calibration/run.js';
import type { Runs } from './cores.js';
import { runSeed } from './world/run.js';

type Question = { [K in keyof Runs]: { readonly kind: K; readonly asked: Runs[K]['asked'] } }[keyof Runs];

async function run(question: Question): Promise<Runs[keyof Runs]['answer']> {
	if (question.kind === 'world') return runSeed(question.asked.seed);
	const { agents, harm, seed } = question.asked;
	return calibrationRun(agents, harm, seed);
}

process.on('message', (question: Question) => void run(question).then((answer) => process.send?.(answer)));
