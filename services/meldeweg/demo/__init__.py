"""The demonstration: one real message travels, and what must not work does not.

Everything in it is invented. It uses a case system's way in (`meldeweg.client`), the auditor's
commands, and for the attempts the certificates of a gateway that tries what it may not.
"""
