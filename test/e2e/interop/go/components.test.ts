// What a real collector under the real supervisor says of its components, and what the product makes of that.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { buildInterop, type InteropBinaries } from '../build.mjs';
import { useProduct } from '../product.js';
import { startSupervisor } from '../supervisor.js';

let binaries: InteropBinaries;
beforeAll(async () => {
	binaries = await buildInterop();
});
const product = useProduct();

/** As in collector/manifest.yaml. */
const built = {
	receivers: ['nop', 'otlp'],
	processors: ['batch'],
	// The old name still works, and is told too.
	exporters: ['debug', 'nop', 'otlp_http', 'otlphttp'],
	connectors: [],
	extensions: ['health_check', 'opamp'],
};
const needy = `
receivers: { otlp: { protocols: { http: } }, kafka: }
exporters: { debug: }
service: { pipelines: { traces: { receivers: [otlp, kafka], exporters: [debug] } } }
`;

it('one collector of a build tells what it has, and that counts for the next one too', async ({ onTestFinished }) => {
	const { ampora, agent, campaign } = product();
	const join = async (name: string) => {
		const workdir = await mkdtemp(path.join(tmpdir(), `ampora-${name}-`));
		onTestFinished(() => rm(workdir, { recursive: true }));
		const { opamp: endpoint, tokens } = ampora;
		const capabilities = { reports_available_components: true };
		const supervisor = await startSupervisor({
			...{ binaries, endpoint, token: tokens.enrollment, workdir, capabilities },
		});
		onTestFinished(() => supervisor.stop());
		const knows = 'agent with a component catalogue';
		return agent(supervisor.instanceUid, ({ components }) => components?.catalogue != null, knows, 60_000);
	};
	const first = await join('teller');
	expect(first.capabilities).toContain('ReportsAvailableComponents');
	expect(first.components?.catalogue).toEqual(built);
	const second = await join('sharer');
	expect(second.components).toEqual(first.components);

	const { items } = await campaign.call('listCatalogues', { query: { limit: 10 } });
	expect(items).toMatchObject([{ distribution: 'interop-collector', agents: 2, components: built }]);
	const version = await campaign.publish('needy', needy);
	const params = { configuration: 'needy', number: Number(version.split('@')[1]) };
	const found = await campaign.call('getVersionCompatibility', { params });
	expect(found).toMatchObject({ agents: 2, has: 0, lacks: 2, unknown: 0 });
	expect(found.missing.map(({ component, agents }) => ({ component, agents }))).toEqual([
		{ component: 'receivers/kafka', agents: 2 },
	]);
});
