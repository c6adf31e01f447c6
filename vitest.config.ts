import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// What a project's tests find in TEST_DATABASE_URL, TEST_REDIS_URL and TEST_NATS_URL is started by its set-up; a project without
// one needs nothing but Node.
const servers = 'test/support/setup/servers.ts';
const bundles = 'test/support/setup/bundles.ts';

const minuteMs = 60_000;

export default defineConfig({
	test: {
		allowOnly: false,
		restoreMocks: true,
		maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
		projects: [
			{
				extends: true,
				test: {
					name: 'unit',
					include: ['packages/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts', 'test/{tidy,support}/**/*.test.ts'],
					testTimeout: 20_000,
					sequence: { groupOrder: 0 },
				},
			},
			{
				extends: true,
				test: {
					name: 'contract',
					include: ['test/{contract,integration}/**/*.test.ts'],
					globalSetup: [servers],
					testTimeout: 30_000,
					hookTimeout: 60_000,
					sequence: { groupOrder: 1 },
				},
			},
			{
				extends: true,
				test: {
					name: 'simulation',
					include: ['test/simulation/**/*.test.ts'],
					testTimeout: 6 * minuteMs,
					sequence: { groupOrder: 2 },
				},
			},
			// One at a time from here on: each of these files uses the whole machine.
			{
				extends: true,
				test: {
					name: 'e2e',
					include: ['test/e2e/*.test.ts'],
					globalSetup: [servers, bundles],
					testTimeout: 5 * minuteMs,
					hookTimeout: 3 * minuteMs,
					fileParallelism: false,
					maxWorkers: 1,
					sequence: { groupOrder: 3 },
				},
			},
			{
				extends: true,
				test: {
					name: 'interop',
					include: ['test/e2e/interop/*.test.ts'],
					globalSetup: [servers, bundles],
					testTimeout: 3 * minuteMs,
					hookTimeout: 3 * minuteMs,
					fileParallelism: false,
					maxWorkers: 1,
					sequence: { groupOrder: 4 },
				},
			},
			{
				extends: true,
				test: {
					name: 'interop-go',
					include: ['test/e2e/interop/go/**/*.test.ts'],
					globalSetup: [servers, bundles],
					testTimeout: 10 * minuteMs,
					// The first run on a machine builds a collector and a supervisor.
					hookTimeout: 60 * minuteMs,
					fileParallelism: false,
					maxWorkers: 1,
					sequence: { groupOrder: 5 },
				},
			},
		],
	},
});
