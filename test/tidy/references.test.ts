// Reference pages say what the code's own tables say. After changing a table: npx vitest run --project unit test/tidy/references -u
import { rolloutReference } from '@ampora/rollout';
import { metricsReference } from '@ampora/telemetry';
import { expect, test } from 'vitest';

test('the rollout reference is made from the core’s tables', async () => {
	await expect(rolloutReference()).toMatchFileSnapshot('../../packages/rollout/REFERENCE.md');
});

test('the metrics reference is made from the metric table', async () => {
	await expect(`# Metrics\n\n${metricsReference()}`).toMatchFileSnapshot('../../packages/telemetry/METRICS.md');
});
