export {
	type AssignOptions,
	createGatewayWorld,
	enrollmentToken,
	type GatewayUnderTest,
	type GatewayWorld,
	startGatewayUnderTest,
	yamlFile,
} from './gateway_harness.js';
export { skewedClock } from './skewed_clock.js';
export {
	bearer,
	connectAgent,
	description,
	fullCapabilities,
	fullReport,
	health,
	newUid,
	type Posted,
	post,
	type Said,
	status,
	TestAgent,
	TestPoller,
	TestSocket,
	UpgradeRefused,
} from './test_agent.js';
