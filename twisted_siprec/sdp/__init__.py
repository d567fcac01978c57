"""
The Session Description Protocol (:rfc:`8866`) and its offer and answer
(:rfc:`3264`), from the side of one who only listens.
"""
