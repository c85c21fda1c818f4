// Reads a PKCS#12 file in the page: the key becomes one that signs and that no script can read.
import forge from "node-forge/lib/forge.js";
import "node-forge/lib/pkcs12.js";

export const FILE_BYTES_MAX = 262144;
const RSA_KEY = "1.2.840.113549.1.1.1";
const EC_KEY = "1.2.840.10045.2.1";
const CURVES = {
  "1.2.840.10045.3.1.7": "P-256",
  "1.3.132.0.34": "P-384",
  "1.3.132.0.35": "P-521",
};
export const HASH = "SHA-256";

// PBES2 takes a password as UTF-8; the library would cut letters beyond Latin to a byte.
const pbkdf2 = forge.pkcs5.pbkdf2;
forge.pkcs5.pbkdf2 = (password, ...rest) => pbkdf2(forge.util.encodeUtf8(password), ...rest);

/** Why a file gives no key; `reason` names one of the page's texts. */
export class KeyFileError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

const { asn1, pki } = forge;

function bytesOf(binary) {
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function binaryOf(bytes) {
  let binary = "";
  for (const one of bytes) {
    binary += String.fromCharCode(one);
  }
  return binary;
}

function bagsOf(file, password) {
  let parsed;
  try {
    parsed = asn1.fromDer(binaryOf(file));
  } catch {
    throw new KeyFileError("kind");
  }
  try {
    return forge.pkcs12.pkcs12FromAsn1(parsed, false, password);
  } catch (error) {
    const words = String(error.message);
    throw new KeyFileError(/password|decrypt/i.test(words) ? "password" : "kind");
  }
}

function listOf(bags, kind) {
  return bags.getBags({ bagType: kind })[kind] ?? [];
}

/** Takes a bag's PrivateKeyInfo as DER with its algorithm, whatever the library made of it. */
function keyOf(bag) {
  const tree = bag.key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(bag.key)) : bag.asn1;
  const algorithm = tree.value[1].value;
  const kind = asn1.derToOid(algorithm[0].value);
  const der = bytesOf(asn1.toDer(tree).getBytes());
  if (kind === RSA_KEY) {
    return { der, algorithm: { name: "RSASSA-PKCS1-v1_5", hash: HASH } };
  }
  const curve = kind === EC_KEY ? CURVES[asn1.derToOid(algorithm[1].value)] : undefined;
  if (!curve) {
    throw new KeyFileError("unsupported");
  }
  return { der, algorithm: { name: "ECDSA", namedCurve: curve } };
}

function certificateOf(bag) {
  const tree = bag.cert ? pki.certificateToAsn1(bag.cert) : bag.asn1;
  return bytesOf(asn1.toDer(tree).getBytes());
}

function idOf(bag) {
  return bag.attributes?.localKeyId?.[0];
}

/** Returns {key, certificate, others}: a CryptoKey, and certificates as DER. */
export async function readKeyFile(file, password) {
  if (file.length > FILE_BYTES_MAX) {
    throw new KeyFileError("kind");
  }
  const bags = bagsOf(file, password);
  const keys = [
    ...listOf(bags, pki.oids.pkcs8ShroudedKeyBag),
    ...listOf(bags, pki.oids.keyBag),
  ];
  const certificates = listOf(bags, pki.oids.certBag);
  if (keys.length === 0 || certificates.length === 0) {
    throw new KeyFileError("empty");
  }
  const bag = keys[0];
  const own = certificates.find((one) => idOf(one) && idOf(one) === idOf(bag)) ?? certificates[0];
  const { der, algorithm } = keyOf(bag);
  let key;
  try {
    key = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  } catch {
    throw new KeyFileError("unsupported");
  } finally {
    der.fill(0);
  }
  return {
    key,
    certificate: certificateOf(own),
    others: certificates.filter((one) => one !== own).map(certificateOf),
  };
}
