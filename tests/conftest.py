"""What holds for all tests: a property may take its time, as a busy machine is no defect."""

from hypothesis import settings

settings.register_profile("meldeweg", deadline=None)
settings.load_profile("meldeweg")
