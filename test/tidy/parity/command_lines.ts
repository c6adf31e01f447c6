// How each operation is asked for from a shell, and a server that only notes what it is asked.
import { errorCatalogue, type OperationId, type Route, routes } from '@ampora/api-contract';
import { runCli } from '@ampora/cli';
import { answerSchema, sample } from './json_schema.js';

const id = '00000000-0000-7000-8000-000000000001';

/** After `ampora`; what is in the files does not matter. */
export const commandLines: Readonly<Partial<Record<OperationId, string>>> = {
	getIdentity: 'tokens whoami',
	createConfiguration: 'configs create edge',
	listConfigurations: 'configs list',
	getConfiguration: 'configs show edge',
	deleteConfiguration: 'configs delete edge',
	validateFiles: 'configs validate edge.yaml',
	createVersion: 'configs create edge --file edge.yaml',
	listVersions: 'configs show edge',
	getVersion: 'configs show edge@1',
	updateVersion: 'configs edit edge@1 --file edge.yaml',
	deleteVersion: 'configs delete edge@1',
	validateVersion: 'configs validate edge@1',
	publishVersion: 'configs publish edge@1',
	archiveVersion: 'configs archive edge@1',
	compareVersions: 'configs diff edge@2 edge@1',
	getVersionCompatibility: 'configs compatibility edge@1 --group web',
	createGroup: 'groups create web',
	listGroups: 'groups list',
	getGroup: 'groups show web',
	previewGroup: 'groups preview web --priority 5',
	updateGroup: 'groups update web --priority 5',
	resumeEnrolment: 'groups resume-enrolment web',
	deleteGroup: 'groups delete web',
	restoreGroup: 'groups restore web',
	addGroupAgents: `groups add web ${id}`,
	removeGroupAgents: `groups remove web ${id}`,
	getFleet: 'agents count',
	listAgents: 'agents list',
	getAgent: `agents get ${id}`,
	listCatalogues: 'agents catalogues',
	planRollout: 'rollouts plan web edge@1',
	getRolloutPlan: `rollouts plan ${id}`,
	listPlanAgents: `rollouts plan-agents ${id}`,
	createRollout: 'rollouts create web edge@1',
	listRollouts: 'rollouts list',
	getRollout: `rollouts get ${id}`,
	watchRollout: `rollouts watch ${id}`,
	listRolloutTargets: `rollouts targets ${id}`,
	listRolloutEvents: `rollouts events ${id}`,
	startRollout: `rollouts start ${id}`,
	cancelRollout: `rollouts cancel ${id}`,
	pauseRollout: `rollouts pause ${id}`,
	resumeRollout: `rollouts resume ${id}`,
	advanceRollout: `rollouts advance ${id}`,
	extendRollout: `rollouts extend ${id} 5m`,
	abortRollout: `rollouts abort ${id}`,
	retryRollout: `rollouts retry ${id}`,
	excludeRolloutAgents: `rollouts exclude ${id} ${id}`,
	editRolloutGates: `rollouts gates ${id} --gate unhealthy-ratio=5%`,
	rollbackRollout: `rollouts rollback ${id}`,
	getRolloutCommand: `rollouts command ${id} ${id}`,
	getSettings: 'settings get',
	updateSettings: 'settings set --gate unhealthy-ratio=5%',
	createChangeWindow: 'windows create nights --days mon,tue --from 22:00 --to 06:00 --time-zone UTC --group web',
	listChangeWindows: 'windows list',
	deleteChangeWindow: 'windows delete nights',
	createFreeze:
		'freezes create launch --from 2030-01-01T00:00:00Z --until 2030-01-02T00:00:00Z --reason launch --group web',
	listFreezes: 'freezes list',
	deleteFreeze: 'freezes delete launch',
	createApiToken: 'tokens create ci',
	listApiTokens: 'tokens list',
	revokeApiToken: `tokens revoke ${id}`,
	createEnrollmentToken: 'tokens enroll edge',
	listEnrollmentTokens: 'tokens list',
	revokeEnrollmentToken: `tokens revoke ${id} --enrollment`,
	listAudit: 'audit list',
};

function operationAt(method: string, path: string): OperationId | undefined {
	return (Object.entries(routes) as [OperationId, Route][])
		.filter(([, route]) => route.method === method)
		.filter(([, route]) => new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path))
		.toSorted(([, a], [, b]) => parameters(a) - parameters(b))[0]?.[0];
}
const parameters = ({ path }: Route): number => path.split('/:').length;

/** A stream breaks off at once, so that watching ends. */
function answerTo(operation: OperationId): Response {
	if (operation === 'watchRollout') {
		const refusal = { code: 'not-found', message: '', details: {}, action: errorCatalogue['not-found'].action };
		return Response.json(refusal, { status: 404 });
	}
	const { schema, defs } = answerSchema(operation);
	return Response.json(sample(schema, defs));
}

/** The operations that a command line asks for, in order. */
export async function asked(line: string): Promise<{ operations: readonly string[]; said: string }> {
	const operations: string[] = [];
	const said: string[] = [];
	const sink = { isTTY: false, columns: 100, write: (text: string) => void said.push(text) };
	await runCli(line.split(' '), {
		stdout: sink,
		stderr: sink,
		env: { AMPORA_SERVER: 'http://ampora.test', AMPORA_TOKEN: 'secret' },
		signal: new AbortController().signal,
		readFile: async () => 'receivers: {nop: {}}\n',
		fetch: async (input, init) => {
			const { pathname } = new URL(String(input));
			const operation = operationAt(init?.method ?? 'GET', pathname);
			operations.push(operation ?? `${init?.method} ${pathname}`);
			return operation === undefined ? new Response(null, { status: 500 }) : answerTo(operation);
		},
	});
	return { operations, said: said.join('') };
}
