// A wallet under test: opens and verifies what the tokenization routes hand out, with nothing but Node's
// own cryptography. Reads {kind, answer, keys, leaf_key} as JSON, writes what was inside.
import { createDecipheriv, createHash, createHmac, createPrivateKey, diffieHellman, createPublicKey }
  from 'node:crypto';
import { readFileSync } from 'node:fs';

const asked = JSON.parse(readFileSync(0, 'utf8'));
const fail = (what) => { console.error(what); process.exit(1); };

function open(key, iv, sealed, tag, aad) {
  const cipher = createDecipheriv('aes-256-gcm', key, iv);
  cipher.setAuthTag(tag);
  if (aad) cipher.setAAD(aad);
  return Buffer.concat([cipher.update(sealed), cipher.final()]).toString('utf8');
}

function apple({ answer, keys, leaf_key }) {
  const point = Buffer.from(answer.ephemeral_public_key, 'base64');
  if (point.length !== 65 || point[0] !== 4) fail('the ephemeral key is no uncompressed point');
  const theirs = createPublicKey({
    key: { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url') }, format: 'jwk',
  });
  const secret = diffieHellman({ privateKey: createPrivateKey(leaf_key), publicKey: theirs });
  const key = createHash('sha256')
    .update(Buffer.from([0, 0, 0, 1])).update(secret)
    .update(Buffer.concat([Buffer.from([13]), Buffer.from('id-aes256-GCM')]))
    .update('Apple').update(point).digest();
  const sealed = Buffer.from(answer.encrypted_pass_data, 'base64');
  const pass = open(key, Buffer.alloc(16), sealed.subarray(0, -16), sealed.subarray(-16));
  const jws = Buffer.from(answer.activation_data, 'base64').toString('utf8').split('.');
  const mac = createHmac('sha256', Buffer.from(keys.apple.activation_data.key, 'base64url'));
  const expected = mac.update(`${jws[0]}.${jws[1]}`).digest('base64url');
  if (expected !== jws[2]) fail('the activation data is not signed by the test key');
  const part = (text) => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  return { pass: JSON.parse(pass), activation: part(jws[1]), header: part(jws[0]) };
}

function google({ answer, keys }) {
  const jwe = Buffer.from(answer.opc, 'base64').toString('utf8').split('.');
  if (jwe.length !== 5 || jwe[1] !== '') fail('no compact JWE with a direct key');
  const bytes = (text) => Buffer.from(text, 'base64url');
  const key = bytes(keys.google.opc.key);
  const text = open(key, bytes(jwe[2]), bytes(jwe[3]), bytes(jwe[4]), Buffer.from(jwe[0], 'ascii'));
  return { card: JSON.parse(text), header: JSON.parse(bytes(jwe[0]).toString('utf8')) };
}

console.log(JSON.stringify(asked.kind === 'apple' ? apple(asked) : google(asked)));
