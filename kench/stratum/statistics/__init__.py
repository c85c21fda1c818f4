"""Statistics of each worker: from the journals and what fronts tell, to PostgreSQL.

All of it runs in a thread of the job maker, away from every loop that serves miners.
"""
