"""How a cell is measured.

race.py races its providers; entering.py lets each in: built, warmed up, compared with truth.py's
float64. cpu.py and cuda.py are the devices: how a call is sampled there, and what a number needs
beside it. machine.py tells when somebody else uses the machine; memory.py measures peaks.
"""
