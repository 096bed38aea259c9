"""DLMS/COSEM over HDLC, TCP and UDP. See README.md."""
