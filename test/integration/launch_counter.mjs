// For foreground.test.ts: launches itself as the program in the foreground.
import { fileURLToPath } from 'node:url';
import { foreground } from '../../deploy/local/child.mjs';

const tell = (line) => process.stdout.write(`${line}\n`);

function program() {
	let count = 0;
	process.on('SIGINT', () => {
		count += 1;
		tell(`interrupted ${count}`);
		if (count === 2) process.exit(7);
		setTimeout(() => tell('draining'), 400);
	});
	setTimeout(() => process.exit(9), 20_000);
	tell('up');
}

if (process.argv[2] === 'program') program();
else process.exitCode = await foreground(process.execPath, [fileURLToPath(import.meta.url), 'program']);
