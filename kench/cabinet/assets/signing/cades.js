// Makes a detached CMS signature with the attributes of CAdES-BES (ETSI EN 319 122-1).
import * as asn1js from "asn1js";
import {
  Attribute,
  Certificate,
  ContentInfo,
  EncapsulatedContentInfo,
  IssuerAndSerialNumber,
  SignedAndUnsignedAttributes,
  SignedData,
  SignerInfo,
} from "pkijs";
import { HASH } from "./p12.js";

const DATA = "1.2.840.113549.1.7.1";
const SIGNED_DATA = "1.2.840.113549.1.7.2";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_TIME = "1.2.840.113549.1.9.5";
const SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";

async function digestOf(bytes) {
  return new Uint8Array(await crypto.subtle.digest(HASH, bytes));
}

/** SigningCertificateV2 with one ESSCertIDv2; SHA-256 is its default and is not written. */
function signingCertificate(digest) {
  const identifier = new asn1js.Sequence({ value: [new asn1js.OctetString({ valueHex: digest })] });
  return new asn1js.Sequence({ value: [new asn1js.Sequence({ value: [identifier] })] });
}

function encodedLess(one, other) {
  const [a, b] = [one, other].map((item) => new Uint8Array(item.toSchema().toBER()));
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    if (a[at] !== b[at]) {
      return a[at] - b[at];
    }
  }
  return a.length - b.length;
}

/** Returns the signature of exactly `content`, in DER. */
export async function sign(content, { key, certificate, others }, now) {
  const own = Certificate.fromBER(certificate);
  const attributes = [
    [CONTENT_TYPE, new asn1js.ObjectIdentifier({ value: DATA })],
    [SIGNING_TIME, new asn1js.UTCTime({ valueDate: now })],
    [MESSAGE_DIGEST, new asn1js.OctetString({ valueHex: await digestOf(content) })],
    [SIGNING_CERTIFICATE_V2, signingCertificate(await digestOf(certificate))],
  ].map(([type, value]) => new Attribute({ type, values: [value] }));
  // DER has the parts of a SET OF in the order of their bytes.
  attributes.sort(encodedLess);
  const signed = new SignedData({
    version: 1,
    encapContentInfo: new EncapsulatedContentInfo({ eContentType: DATA }),
    signerInfos: [
      new SignerInfo({
        version: 1,
        sid: new IssuerAndSerialNumber({ issuer: own.issuer, serialNumber: own.serialNumber }),
        signedAttrs: new SignedAndUnsignedAttributes({ type: 0, attributes }),
      }),
    ],
    certificates: [own, ...others.map((one) => Certificate.fromBER(one))],
  });
  await signed.sign(key, 0, HASH, content);
  const whole = new ContentInfo({ contentType: SIGNED_DATA, content: signed.toSchema(true) });
  return new Uint8Array(whole.toSchema().toBER());
}

/** Returns the name in a certificate's subject, for people. */
export function nameOf(certificate) {
  const names = Certificate.fromBER(certificate).subject.typesAndValues;
  return names.find((one) => one.type === "2.5.4.3")?.value.valueBlock.value ?? "";
}
