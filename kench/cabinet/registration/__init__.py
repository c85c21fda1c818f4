"""Registration in the State System: applications, decisions, notices, the register, the dossier."""
