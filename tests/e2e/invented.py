"""Who is there in the tests of the whole: agencies, places, persons, and words to look for."""

import uuid

from meldeweg.kernel.ids import AgencyId

POLICE = AgencyId("polizei-viersen")
KREIS = AgencyId("jugendamt-kreis-viersen")
KEMPEN = AgencyId("jugendamt-kempen")
NETTETAL = AgencyId("jugendamt-nettetal")
STADT = AgencyId("jugendamt-viersen")
WILLICH = AgencyId("jugendamt-willich")
PLACES = {
    KREIS: "05166008",
    KEMPEN: "05166012",
    NETTETAL: "05166016",
    STADT: "05166032",
    WILLICH: "05166036",
}
OFFICER = "PHK Beispiel (erfunden)"
WORKER = "Frau Probe (erfunden)"
LABELS = {
    "collected_by": "Wache Beispielstadt",
    "means": "Einsatz vor Ort",
    "category_of_person": "Betroffene",
    "offence": "Häusliche Gewalt",
}
MARK = f"Kennwort {uuid.uuid4().hex}"  # in every content and reason of this session
MARKS = (MARK, "Musterstraße 4", "BEISPIEL-2026-0815", OFFICER, WORKER, LABELS["collected_by"])
