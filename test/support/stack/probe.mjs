// Loaded before a service that a test starts: ends it when the test is gone, and tells what it uses, after a full collection if asked.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', ({ id, collect }) => {
	if (collect) for (let round = 0; round < 3; round += 1) globalThis.gc?.();
	const { user, system } = process.cpuUsage();
	process.send?.({ id, usage: { ...process.memoryUsage(), cpuUs: user + system } });
});
