"""A CMS signature by algorithms of a suite: what the library checks of others is checked here.

The way from the certificate to a root, with its lists, is the library's again.
"""

import hashlib
from typing import Any

from asn1crypto import cms, x509
from pyhanko.sign.general import CMSExtractionError, extract_certificate_info, match_issuer_serial
from pyhanko.sign.validation.generic_cms import validate_algorithm_protection, validate_cert_usage
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import StandardCMSSignatureStatus
from pyhanko_certvalidator import ValidationContext

from kench.pool.signature.suite import Suite
from kench.pool.signature.verifier import SignatureRefusedError

DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
"""With which a signature may name its certificate, beside the suite's own."""


async def check_foreign(
    suite: Suite,
    content: bytes,
    signed_data: Any,
    context: ValidationContext,
    usages: KeyUsageConstraints,
) -> StandardCMSSignatureStatus:
    """Return how it stands with the signature; its form and attributes were looked at before."""
    try:
        given = extract_certificate_info(signed_data)
    except CMSExtractionError as error:
        raise SignatureRefusedError("the signature does not hold its certificate") from error
    certificate = given.signer_cert
    signer = signed_data["signer_infos"][0]
    signature = signer["signature_algorithm"]["algorithm"].dotted
    digest = signer["digest_algorithm"]["algorithm"].dotted
    # Signed is the set as such, not as the field that it is sent in.
    attributes: cms.CMSAttributes = signer["signed_attrs"].untag()
    signed = attributes.dump()
    values = {one["type"].native: one["values"][0] for one in attributes}
    _check_named(suite, values["signing_certificate_v2"], certificate)
    if values["content_type"].native != "data":
        raise SignatureRefusedError("the signature is not of plain data")
    validate_algorithm_protection(
        attributes, signer["digest_algorithm"], signer["signature_algorithm"], None
    )
    intact = values["message_digest"].native == suite.digest(digest, content)
    valid = intact and suite.verify(
        certificate.public_key, signature, signer["signature"].native, signed
    )
    path = trouble = revoked = None
    if valid:
        context.certificate_registry.register_multiple(given.other_certs)
        way = await validate_cert_usage(
            certificate,
            context,
            key_usage_settings=usages,
            paths=context.path_builder.async_build_paths_lazy(certificate),
        )
        path, trouble = way.success_result or way.error_path, way.error_subindic
        revoked = way.revo_details
    return StandardCMSSignatureStatus(
        intact=intact,
        valid=valid,
        trust_problem_indic=trouble,
        signing_cert=certificate,
        pkcs7_signature_mechanism=signature,
        md_algorithm=digest,
        validation_path=path,
        revocation_details=revoked,
        error_time_horizon=None,
        qualification_result=None,
        validation_time=context.moment,
    )


def _check_named(suite: Suite, attribute: Any, certificate: x509.Certificate) -> None:
    """Raise SignatureRefusedError unless signingCertificateV2 names this certificate."""
    named = attribute["certs"][0]
    algorithm, der = named["hash_algorithm"]["algorithm"].dotted, certificate.dump()
    if algorithm in DIGESTS:
        digest = hashlib.new(DIGESTS[algorithm], der).digest()
    else:
        digest = suite.digest(algorithm, der)
    serial = named["issuer_serial"]
    if digest != named["cert_hash"].native or (
        serial.native is not None and not match_issuer_serial(serial, certificate)
    ):
        raise SignatureRefusedError("the signature is bound to another certificate")
