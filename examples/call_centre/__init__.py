"""The "Anonymous Bank" call-centre log of August 1999 as a call database."""
