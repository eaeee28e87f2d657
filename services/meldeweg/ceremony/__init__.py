"""What people do with offline keys: enrol an agency, issue its keys, sign agreements.

Files in, files out, and one desk to hand things in at. Used by the command line and by the local
backbone; imports the kernel alone. In production the anchor's and the identity keys' files are
brought to an offline machine's own medium, and only the results travel.
"""
