"""The line protocol sink: archived readings to InfluxDB 1, 2 and 3, VictoriaMetrics and QuestDB.

sink.py is the thin loop; session.py opens a connection; lines.py makes text of readings; transport.py and influx2.py
carry it; answers.py says what the database meant; losses.py and check*.py look for data that silently vanish.
"""
