import { expect, test } from 'vitest';
import { hiddenValue, hideSecrets } from './secret_settings.js';

test('hides values of settings that look secret, and keeps everything else as it is written', () => {
	const shown = hideSecrets(`exporters:
  otlp: # kept
    endpoint: "https://user:pw1@collector:4317"
    headers: {authorization: Bearer pw2, x-team: pw3}
    tls:
      key_pem: |
        pw4
        pw4
      ca_file: /etc/ca.pem
    auth: {password: 'pw5', username: me}
    api_keys: [pw6, "pw7"]
    token: \${env:TOKEN}
extensions:
  anchored: &secret pw8
  bearer_token: *secret
  timeout: 5s
`);
	expect(shown).not.toMatch(/pw\d/);
	const placeholder = ['$', '{env:TOKEN}'].join('');
	for (const kept of ['# kept', 'collector:4317', 'ca_file: /etc/ca.pem', 'username: me', placeholder, 'timeout: 5s']) {
		expect(shown).toContain(kept);
	}
	expect(shown.split(hiddenValue).length - 1).toBe(8);
});

test('shows nothing of what it cannot read', () => {
	expect(hideSecrets('password: [hunter2\n  oops: ]')).not.toContain('hunter2');
	expect(hideSecrets('')).toBe('');
});
