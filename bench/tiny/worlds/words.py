"""Short common words for the word tasks; many share a first letter, so that sorting needs the second."""

_TEXT = """
ant arm art ask axe baby back bag ball band bank bark barn bat beach bean bear bed bee bell belt bird boat bone
book boot bowl box boy bread brick brush bus cake calf camp candy cap car card cart cat chair chalk cheek chest
child chin city clock cloth cloud coat coin comb cook corn cow crab crow crown cup dance deer desk dish dog doll
door dove dress drum duck dust ear earth east egg elbow ewe eye face fan farm field fig fire fish fist flag flame
floor fly foot fork fox frog fruit game gate gift girl glass glove goat gold grass green hair hall ham hand hat
hawk heart hen herb hill hive home honey hook horse house ice inch iron jam jar jewel judge juice jug key king
kite knee knife lake lamb lamp lark leaf leg lemon lime lion lip log lunch map mask meal meat melon milk mint
moon moth mouse mouth mud mug nail neck needle nest net night north nose nurse nut oak oar ocean oil onion oven
owl page paint palm pan paper park pea peach pear pen piano pig pin pipe plane plant plum pond pony pool queen
quilt rain rat rice ring river road robe rock roof room root rope rose rug sail salt sand scarf seal seed shark
sheep ship shirt shoe silk sister skirt sky snail snake snow soap sock soup south spoon star stone stove sugar
sun swan table tail tea tent thorn thumb tiger toad toast tooth town toy train tree truck tub uncle van vase
veil vest vine wagon wall wasp watch wave well west whale wheat wheel wind wing wolf wood wool yard year zebra
"""
WORDS = tuple(_TEXT.split())

BY_INITIAL = {initial: tuple(w for w in WORDS if w[0] == initial) for initial in sorted({w[0] for w in WORDS})}
